#include "sharding/mpi_communicator.hpp"

#include <chrono>
#include <limits>
#include <thread>

namespace vitrail::sharding {
namespace {

int to_int(std::int64_t n) {
  if (n > std::numeric_limits<int>::max()) {
    throw Error(ExitCode::refused, fmt::format("{} elements in one MPI message", n),
                "lower sharding.bucket_mib or use more ranks");
  }
  return static_cast<int>(n);
}

// `own` is left out: the caller has its own segment already.
MpiLayout layout_without(std::span<const Segment> segments, int own) {
  MpiLayout layout;
  for (const Segment& segment : segments) {
    layout.counts.push_back(static_cast<int>(layout.counts.size()) == own ? 0 : to_int(segment.count));
    layout.offsets.push_back(to_int(segment.begin));
  }
  return layout;
}

}  // namespace

MpiCommunicator::~MpiCommunicator() {
  if (broken_) comm_.abandon();
}

void MpiCommunicator::complete(MpiRequest request) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  // Spin for the short waits, then yield: ranks may be more than cores, and a sleeping rank costs nobody
  // anything.
  constexpr int kSpins = 200;
  for (int polls = 0; !request.test(); ++polls) {
    if (polls >= kSpins) std::this_thread::sleep_for(std::chrono::microseconds(polls < 2000 ? 20 : 200));
    if (polls % 16 != 15) continue;
    if (cancelled_) {
      request.abandon();
      broken_ = true;
      throw PeerFailure(rank_);
    }
    if (const auto peer = failures_.failed_peer()) {
      request.abandon();
      broken_ = true;
      throw PeerFailure(*peer);
    }
  }
  traffic_.seconds_waited += std::chrono::duration<double>(Clock::now() - begin).count();
}

void MpiCommunicator::all_to_all(const std::byte* source, std::span<const Segment> send, std::byte* target,
                                 std::span<const Segment> receive, DataType type) {
  const MpiLayout to = layout_without(send, rank_);
  const MpiLayout from = layout_without(receive, rank_);
  for (const int count : to.counts) traffic_.elements_sent += count;
  complete(comm_.all_to_all(source, to, target, from, type));
}

void MpiCommunicator::all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) {
  const std::vector<Segment> own(segments.size(), segments[static_cast<std::size_t>(rank_)]);
  all_to_all(buffer, own, buffer, segments, type);
}

void MpiCommunicator::all_reduce_sum(std::span<double> values) {
  complete(comm_.all_reduce_sum_in_place(values));
}

void MpiCommunicator::broadcast(std::span<std::byte> bytes, int root) {
  complete(comm_.broadcast(bytes, root));
}

void MpiCommunicator::barrier() { complete(comm_.barrier()); }

}  // namespace vitrail::sharding
