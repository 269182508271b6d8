// The only raw MPI calls: RAII of the library, of communicators and of requests. Operations are non-blocking:
// they return a request that the caller tests, so that nobody waits for ever inside the library. Throws:
// Error(io) with MPI's own words for a status code.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mpi.h>

#include "sharding/comm/communicator.hpp"
#include "trainer/base/data_type.hpp"

namespace vitrail::sharding {

std::string mpi_library();  // its own words, "Open MPI v4.1.4, ..."; may be asked at any time

// MPI_Init_thread .. MPI_Finalize. At most one in a process.
class MpiSession {
 public:
  MpiSession();
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  // Leaves the library without the collective MPI_Finalize: after a failure peers may never come to it.
  void abandon() { abandoned_ = true; }

 private:
  bool abandoned_ = false;
};

// What is under way of one call. Its buffers must stay until test() has returned true.
class MpiRequest {
 public:
  MpiRequest() = default;
  explicit MpiRequest(std::vector<MPI_Request> requests) : requests_(std::move(requests)) {}

  bool test();                           // true once all of it is complete, and from then on
  void abandon() { requests_.clear(); }  // after a failure: peers may never complete it

 private:
  std::vector<MPI_Request> requests_;
};

// A duplicate of MPI_COMM_WORLD that reports errors instead of aborting.
class MpiComm {
 public:
  MpiComm();
  ~MpiComm();
  MpiComm(const MpiComm&) = delete;
  MpiComm& operator=(const MpiComm&) = delete;

  int rank() const;
  int size() const;

  // Counts must fit into an int.
  MpiRequest exchange(std::span<const Outgoing> send, std::span<const Incoming> receive, DataType type) const;
  // size() chunks of `count` elements; the sum of the own one comes. f32 or f64.
  MpiRequest reduce_scatter_sum(const std::byte* send, std::byte* receive, int count, DataType type) const;
  MpiRequest all_reduce_sum_in_place(std::span<double> values) const;
  MpiRequest broadcast(std::span<std::byte> bytes, int root) const;
  MpiRequest barrier() const;
  MpiRequest send(std::span<const std::byte> bytes, int to) const;
  MpiRequest receive_from_any(std::span<std::byte> bytes) const;

  void abandon() { comm_ = MPI_COMM_NULL; }  // freeing is collective: not after a failure

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

}  // namespace vitrail::sharding
