#include <chrono>
#include <thread>

#include "sharding/comm/call_timeout.hpp"
#include "sharding/comm/intercepted_communicator.hpp"
#include "sharding/comm/nccl_handles.hpp"
#include "sharding/device/cuda_handles.hpp"
#include "sharding/device/gpu_device.hpp"

namespace vitrail::sharding {
namespace {

using Clock = std::chrono::steady_clock;

// Every wait, for NCCL and for the GPU, polls: so it can look at failures and at the clock.
class NcclCommunicator final : public InterceptedCommunicator {
 public:
  NcclCommunicator(Communicator& ranks, int gpu, std::chrono::seconds timeout)
      : InterceptedCommunicator(ranks),
        gpu_(gpu),
        timeout_(timeout),
        comm_(common_id(ranks), ranks.size(), ranks.rank(), gpu) {
    wait_until("NCCL's start", [&] { return comm_.ready(); });
  }

  void exchange(std::span<const Outgoing> send, std::span<const Incoming> receive, DataType type) override;
  void all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) override;
  void reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count, DataType type) override;
  const Traffic& traffic() const override;
  void limit_wait(std::chrono::milliseconds longest) override {
    timeout_.limit(longest);
    InterceptedCommunicator::limit_wait(longest);
  }

 protected:
  void around(const Call&, const std::function<void()>& forward) override { forward(); }

 private:
  static ncclUniqueId common_id(Communicator& ranks);
  // `issue` gives its calls to NCCL; this returns when the GPU has done them.
  void run(CallKind kind, std::int64_t elements_sent, DataType type, const std::function<void()>& issue);
  void wait_until(const char* call, const std::function<bool()>& done);
  void give_up();
  void issue_messages(std::span<const Outgoing> send, std::span<const Incoming> receive, DataType type);

  int gpu_;
  CallTimeout timeout_;
  CudaStream stream_{gpu_};
  CudaEvent done_{gpu_};
  NcclComm comm_;
  mutable Traffic all_;
};

ncclUniqueId NcclCommunicator::common_id(Communicator& ranks) {
  ncclUniqueId id{};
  if (ranks.rank() == 0) id = new_nccl_id();
  ranks.broadcast(std::as_writable_bytes(std::span(&id, 1)), 0);
  return id;
}

void NcclCommunicator::wait_until(const char* call, const std::function<bool()>& done) {
  WaitedTime waited;
  constexpr int kSpins = 2000;
  for (int polls = 0; !done(); ++polls) {
    if (polls >= kSpins) std::this_thread::sleep_for(std::chrono::microseconds(50));
    if (polls % 64 != 63) continue;
    const auto peer = inner().failed_peer();
    const bool late = timeout_.is_over(waited.so_far());
    if (!peer && !late) continue;
    if (peer) throw PeerFailure(*peer);
    throw timeout_.nobody_came(fmt::format("{} (NCCL)", call));
  }
}

// At once: a kernel that waits for a peer would make everyone wait who frees memory of the GPU. And where
// NCCL broke because another rank went away, that rank's own words, which are on their way, are the ones to
// report.
void NcclCommunicator::give_up() {
  constexpr std::chrono::seconds kForItsWords{2};
  comm_.abort();
  for (const auto begin = Clock::now(); Clock::now() - begin < kForItsWords;) {
    if (const auto peer = inner().failed_peer()) throw PeerFailure(*peer);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void NcclCommunicator::run(CallKind kind, std::int64_t elements_sent, DataType type,
                           const std::function<void()>& issue) {
  const Call call{kind, elements_sent * static_cast<std::int64_t>(size_of(type)), {}};
  inner().observe(call, [&] {
    const auto begin = Clock::now();
    try {
      use_gpu(gpu_);
      comm_.group(issue);
      wait_until(name_of(kind), [&] { return comm_.ready(); });
      done_.record(stream_.get());
      wait_until(name_of(kind), [&] { return comm_.ready() && done_.reached(); });
    } catch (...) {
      give_up();
      throw;
    }
    traffic_.elements_sent += elements_sent;
    traffic_.seconds_waited += std::chrono::duration<double>(Clock::now() - begin).count();
  });
}

void NcclCommunicator::issue_messages(std::span<const Outgoing> send, std::span<const Incoming> receive,
                                      DataType type) {
  for (const Outgoing& m : send) comm_.send(m.data, m.count, type, m.to, stream_.get());
  for (const Incoming& m : receive) comm_.receive(m.data, m.count, type, m.from, stream_.get());
}

void NcclCommunicator::exchange(std::span<const Outgoing> send, std::span<const Incoming> receive,
                                DataType type) {
  if (send.empty() && receive.empty()) return;
  run(CallKind::exchange, elements_of(send), type, [&] { issue_messages(send, receive, type); });
}

// NCCL's own gather where all ranks have as much, one after another.
void NcclCommunicator::all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) {
  const Segment own = segments[static_cast<std::size_t>(rank())];
  bool even = true;
  for (std::size_t peer = 0; peer < segments.size(); ++peer) {
    even = even && segments[peer].count == own.count &&
           segments[peer].begin == segments[0].begin + static_cast<std::int64_t>(peer) * own.count;
  }
  run(CallKind::all_gather, own.count * (size() - 1), type, [&] {
    const auto width = static_cast<std::int64_t>(size_of(type));
    if (!even) {
      return issue_messages(to_all_others(buffer + own.begin * width, own.count, rank(), size()),
                            from_all_others(buffer, segments, rank(), type), type);
    }
    comm_.all_gather(buffer + own.begin * width, buffer + segments[0].begin * width, own.count, type,
                     stream_.get());
  });
}

void NcclCommunicator::reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count,
                                      DataType type) {
  run(CallKind::reduce_scatter, count * (size() - 1), type,
      [&] { comm_.reduce_scatter(source, target, count, type, stream_.get()); });
}

// Of the small calls and of these.
const Traffic& NcclCommunicator::traffic() const {
  const Traffic& small = InterceptedCommunicator::traffic();
  all_ = {traffic_.elements_sent + small.elements_sent, traffic_.seconds_waited + small.seconds_waited};
  return all_;
}

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& inner, int gpu,
                                                     std::chrono::seconds timeout) {
  return std::make_unique<NcclCommunicator>(inner, gpu, timeout);
}

}  // namespace vitrail::sharding
