#include "sharding/comm/mpi_communicator.hpp"

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

}  // namespace

MpiCommunicator::~MpiCommunicator() {
  if (broken_) comm_.abandon();
}

void MpiCommunicator::complete(MpiRequest request, const char* call) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  WaitedTime waited;
  // Spin for the short waits, then yield: ranks may be more than cores, and a sleeping rank costs nobody
  // anything.
  constexpr int kSpins = 200;
  for (int polls = 0; !request.test(); ++polls) {
    if (polls >= kSpins) std::this_thread::sleep_for(std::chrono::microseconds(polls < 2000 ? 20 : 200));
    if (polls % 16 != 15) continue;
    const auto peer = failed_peer();
    const bool late = timeout_.is_over(waited.so_far());
    if (!peer && !late) continue;
    request.abandon();
    broken_ = true;
    if (peer) throw PeerFailure(*peer);
    throw timeout_.nobody_came(call);
  }
  traffic_.seconds_waited += std::chrono::duration<double>(Clock::now() - begin).count();
}

void MpiCommunicator::exchange(std::span<const Outgoing> send, std::span<const Incoming> receive,
                               DataType type) {
  for (const Outgoing& message : send) to_int(message.count);
  traffic_.elements_sent += elements_of(send);
  complete(comm_.exchange(send, receive, type), "exchange");
}

// Not MPI's own gather: Open MPI 4.1 posts its receives before its sends, and over TCP the two directions
// between a pair of ranks then take turns. The same bytes in an exchange of all with all take half the time.
void MpiCommunicator::all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) {
  const Segment own = segments[static_cast<std::size_t>(rank_)];
  const std::byte* data = buffer + static_cast<std::size_t>(own.begin) * size_of(type);
  exchange(to_all_others(data, own.count, rank_, size_), from_all_others(buffer, segments, rank_, type),
           type);
}

void MpiCommunicator::reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count,
                                     DataType type) {
  if (type != DataType::f32 && type != DataType::f64) {
    throw Error(ExitCode::refused, fmt::format("MPI adds no {} values", name_of(type)),
                "set sharding.sum_type = fp32, or sharding.reduction = reproducible");
  }
  traffic_.elements_sent += count * (size_ - 1);
  complete(comm_.reduce_scatter_sum(source, target, to_int(count), type), "reduce_scatter");
}

void MpiCommunicator::all_reduce_sum(std::span<double> values) {
  complete(comm_.all_reduce_sum_in_place(values), "all_reduce");
}

void MpiCommunicator::broadcast(std::span<std::byte> bytes, int root) {
  complete(comm_.broadcast(bytes, root), "broadcast");
}

void MpiCommunicator::barrier() { complete(comm_.barrier(), "barrier"); }

}  // namespace vitrail::sharding
