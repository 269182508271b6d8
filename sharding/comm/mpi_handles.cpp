#include "sharding/comm/mpi_handles.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "trainer/base/error.hpp"

namespace vitrail::sharding {
namespace {

// A status other than MPI_SUCCESS becomes an exception that names the call.
void check(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(status, text.data(), &length);
  throw Error(ExitCode::io,
              fmt::format("{} failed: {}", call, std::string(text.data(), static_cast<std::size_t>(length))));
}

MPI_Datatype mpi_type(DataType type) {
  switch (type) {
    case DataType::f32:
      return MPI_FLOAT;
    case DataType::f64:
      return MPI_DOUBLE;
    case DataType::f16:
    case DataType::bf16:
      return MPI_UINT16_T;  // moved, never summed by MPI
    case DataType::i32:
      return MPI_INT32_T;
    case DataType::i64:
      return MPI_INT64_T;
    case DataType::u8:
    case DataType::boolean:
      return MPI_BYTE;
  }
  return MPI_BYTE;
}

}  // namespace

std::string mpi_library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  if (MPI_Get_library_version(text.data(), &length) != MPI_SUCCESS) return "unknown";
  const std::string words(text.data(), static_cast<std::size_t>(length));
  return words.substr(0, words.find_first_of(",\n"));
}

MpiSession::MpiSession() {
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_MULTIPLE) {
    throw Error(ExitCode::refused, "this MPI library grants no MPI_THREAD_MULTIPLE",
                "load an MPI module that was built with thread support");
  }
}

MpiSession::~MpiSession() {
  if (abandoned_) return;
  if (MPI_Finalize() != MPI_SUCCESS) std::fputs("vitrail: MPI_Finalize failed\n", stderr);
}

bool MpiRequest::test() {
  int done = 0;
  check(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done, MPI_STATUSES_IGNORE),
        "MPI_Testall");
  return done != 0;
}

MpiComm::MpiComm() {
  check(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
  check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

MpiComm::~MpiComm() {
  if (comm_ != MPI_COMM_NULL && MPI_Comm_free(&comm_) != MPI_SUCCESS) {
    std::fputs("vitrail: MPI_Comm_free failed\n", stderr);
  }
}

int MpiComm::rank() const {
  int rank = 0;
  check(MPI_Comm_rank(comm_, &rank), "MPI_Comm_rank");
  return rank;
}

int MpiComm::size() const {
  int size = 0;
  check(MPI_Comm_size(comm_, &size), "MPI_Comm_size");
  return size;
}

// Not MPI_Ialltoallv or MPI_Iallgatherv: where Open MPI 4.1 posts the receives first, the two directions
// between a pair of ranks take turns over TCP. With the sends first the same bytes take half the time. Peers
// in turn, so that not all ranks begin with the same one.
MpiRequest MpiComm::exchange(std::span<const Outgoing> send, std::span<const Incoming> receive,
                             DataType type) const {
  constexpr int kTag = 0;
  const int own = rank(), ranks = size();
  std::vector<const Outgoing*> sends;
  for (const Outgoing& message : send) sends.push_back(&message);
  std::ranges::stable_sort(sends, {}, [&](const Outgoing* m) { return (m->to - own + ranks) % ranks; });
  std::vector<const Incoming*> receives;
  for (const Incoming& message : receive) receives.push_back(&message);
  std::ranges::stable_sort(receives, {}, [&](const Incoming* m) { return (own - m->from + ranks) % ranks; });
  std::vector<MPI_Request> requests;
  for (const Outgoing* m : sends) {
    check(MPI_Isend(m->data, static_cast<int>(m->count), mpi_type(type), m->to, kTag, comm_,
                    &requests.emplace_back()),
          "MPI_Isend");
  }
  for (const Incoming* m : receives) {
    check(MPI_Irecv(m->data, static_cast<int>(m->count), mpi_type(type), m->from, kTag, comm_,
                    &requests.emplace_back()),
          "MPI_Irecv");
  }
  return MpiRequest(std::move(requests));
}

MpiRequest MpiComm::reduce_scatter_sum(const std::byte* send, std::byte* receive, int count,
                                       DataType type) const {
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Ireduce_scatter_block(send, receive, count, mpi_type(type), MPI_SUM, comm_, &request),
        "MPI_Ireduce_scatter_block");
  return MpiRequest({request});
}

MpiRequest MpiComm::all_reduce_sum_in_place(std::span<double> values) const {
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Iallreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE, MPI_SUM,
                       comm_, &request),
        "MPI_Iallreduce");
  return MpiRequest({request});
}

MpiRequest MpiComm::broadcast(std::span<std::byte> bytes, int root) const {
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Ibcast(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, root, comm_, &request),
        "MPI_Ibcast");
  return MpiRequest({request});
}

MpiRequest MpiComm::barrier() const {
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Ibarrier(comm_, &request), "MPI_Ibarrier");
  return MpiRequest({request});
}

MpiRequest MpiComm::send(std::span<const std::byte> bytes, int to) const {
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Isend(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, to, 0, comm_, &request),
        "MPI_Isend");
  return MpiRequest({request});
}

MpiRequest MpiComm::receive_from_any(std::span<std::byte> bytes) const {
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Irecv(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, MPI_ANY_SOURCE, 0, comm_, &request),
        "MPI_Irecv");
  return MpiRequest({request});
}

}  // namespace vitrail::sharding
