#include <chrono>
#include <deque>
#include <thread>

#include "sharding/comm/call_timeout.hpp"
#include "sharding/comm/intercepted_communicator.hpp"
#include "sharding/comm/nccl_handles.hpp"
#include "sharding/device/cuda_handles.hpp"
#include "sharding/device/gpu_device.hpp"

namespace vitrail::sharding {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPollsALook = 64;  // at failures and at the clock

// Between two polls: at first nothing.
class Pause {
 public:
  void operator()() {
    constexpr int kSpins = 2000;
    if (++polls_ > kSpins) std::this_thread::sleep_for(std::chrono::microseconds(50));
  }

 private:
  int polls_ = 0;
};

// Calls lie in the order of the GPU's exchange stream. Every wait, for NCCL and for the GPU, polls: so it can
// look at failures and at the clock.
class NcclCommunicator final : public InterceptedCommunicator {
 public:
  NcclCommunicator(Communicator& ranks, int gpu, cudaStream_t stream, std::chrono::seconds timeout)
      : InterceptedCommunicator(ranks),
        gpu_(gpu),
        stream_(stream),
        timeout_(timeout),
        comm_(common_id(ranks), ranks.size(), ranks.rank(), gpu) {
    poll_until("NCCL's start", [&] { return comm_.ready(); });
  }

  void exchange(std::span<const Outgoing> send, std::span<const Incoming> receive, DataType type) override;
  void all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) override;
  void reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count, DataType type) override;
  const Traffic& traffic() const override;
  void return_early() override { returns_early_ = true; }
  Progress progress() override;
  void limit_wait(std::chrono::milliseconds longest) override {
    timeout_.limit(longest);
    InterceptedCommunicator::limit_wait(longest);
  }

 protected:
  // Calls of all kinds end, and fail, in their order.
  void around(const Call&, const std::function<void()>& forward) override {
    finish();
    forward();
  }

 private:
  static ncclUniqueId common_id(Communicator& ranks);
  struct Given {
    Given(CallKind of, int gpu) : kind(of), done(gpu) {}
    CallKind kind;
    CudaEvent done;
  };
  // `issue` gives its calls to NCCL.
  void run(CallKind kind, std::int64_t elements_sent, DataType type, const std::function<void()>& issue);
  void finish();
  void poll_until(const char* call, const std::function<bool()>& done);
  void look_at_others(const char* call, WaitedTime& waited);
  void look_afresh() { waited_ = {}, polls_ = 0; }
  void or_give_up(const std::function<void()>& calls);
  void give_up();
  void issue_messages(std::span<const Outgoing> send, std::span<const Incoming> receive, DataType type);

  int gpu_;
  cudaStream_t stream_;
  CallTimeout timeout_;
  bool returns_early_ = false;
  std::deque<Given> given_;  // that the GPU has not done
  std::uint64_t calls_ = 0;  // given so far
  WaitedTime waited_;        // for the first of given_
  int polls_ = 0;            // likewise
  NcclComm comm_;
  mutable Traffic all_;
};

ncclUniqueId NcclCommunicator::common_id(Communicator& ranks) {
  ncclUniqueId id{};
  if (ranks.rank() == 0) id = new_nccl_id();
  ranks.broadcast(std::as_writable_bytes(std::span(&id, 1)), 0);
  return id;
}

void NcclCommunicator::poll_until(const char* call, const std::function<bool()>& done) {
  WaitedTime waited;
  Pause pause;
  for (int polls = 1; !done(); ++polls, pause()) {
    if (polls % kPollsALook == 0) look_at_others(call, waited);
  }
}

void NcclCommunicator::look_at_others(const char* call, WaitedTime& waited) {
  const auto peer = inner().failed_peer();
  const bool late = timeout_.is_over(waited.so_far());
  if (peer) throw PeerFailure(*peer);
  if (late) throw timeout_.nobody_came(fmt::format("{} (NCCL)", call));
}

// At once: a kernel that waits for a peer would make everyone wait who frees memory of the GPU. And where
// NCCL broke because another rank went away, that rank's own words, which are on their way, are the ones to
// report.
void NcclCommunicator::give_up() {
  constexpr std::chrono::seconds kForItsWords{2};
  comm_.abort();
  given_.clear();
  for (const auto begin = Clock::now(); Clock::now() - begin < kForItsWords;) {
    if (const auto peer = inner().failed_peer()) throw PeerFailure(*peer);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void NcclCommunicator::or_give_up(const std::function<void()>& calls) {
  try {
    use_gpu(gpu_);
    calls();
  } catch (...) {
    give_up();
    throw;
  }
}

void NcclCommunicator::run(CallKind kind, std::int64_t elements_sent, DataType type,
                           const std::function<void()>& issue) {
  const Call call{kind, elements_sent * static_cast<std::int64_t>(size_of(type)), {}, returns_early_};
  inner().observe(call, [&] {
    const auto begin = Clock::now();
    or_give_up([&] {
      comm_.group(issue);
      poll_until(name_of(kind), [&] { return comm_.ready(); });
      if (given_.empty()) look_afresh();
      given_.emplace_back(kind, gpu_).done.record(stream_);
      ++calls_;
    });
    if (!returns_early_) finish();
    traffic_.elements_sent += elements_sent;
    traffic_.seconds_waited += std::chrono::duration<double>(Clock::now() - begin).count();
  });
}

Communicator::Progress NcclCommunicator::progress() {
  if (!given_.empty())
    or_give_up([&] {
      comm_.ready();  // says what went wrong meanwhile
      for (; !given_.empty() && given_.front().done.reached(); given_.pop_front()) look_afresh();
      if (!given_.empty() && ++polls_ % kPollsALook == 0)
        look_at_others(name_of(given_.front().kind), waited_);
    });
  return {calls_, calls_ - given_.size()};
}

void NcclCommunicator::finish() {
  for (Pause pause; progress().done < calls_; pause()) {
  }
}

void NcclCommunicator::issue_messages(std::span<const Outgoing> send, std::span<const Incoming> receive,
                                      DataType type) {
  for (const Outgoing& m : send) comm_.send(m.data, m.count, type, m.to, stream_);
  for (const Incoming& m : receive) comm_.receive(m.data, m.count, type, m.from, stream_);
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
                     stream_);
  });
}

void NcclCommunicator::reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count,
                                      DataType type) {
  run(CallKind::reduce_scatter, count * (size() - 1), type,
      [&] { comm_.reduce_scatter(source, target, count, type, stream_); });
}

// Of the small calls and of these.
const Traffic& NcclCommunicator::traffic() const {
  const Traffic& small = InterceptedCommunicator::traffic();
  all_ = {traffic_.elements_sent + small.elements_sent, traffic_.seconds_waited + small.seconds_waited};
  return all_;
}

}  // namespace

std::string nccl_library() { return nccl_version(); }

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& inner, int index, Device& gpu,
                                                     std::chrono::seconds timeout) {
  return std::make_unique<NcclCommunicator>(inner, index, exchange_stream(gpu), timeout);
}

}  // namespace vitrail::sharding
