#include "sharding/agreement/failure_channel.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

namespace vitrail::sharding {
namespace {

template <std::size_t N>
void copy_text(std::array<char, N>& to, const std::string& from) {
  const std::size_t n = std::min(from.size(), N - 1);
  std::memcpy(to.data(), from.data(), n);
  to[n] = '\0';
}

}  // namespace

// Small enough for MPI's eager path: it leaves without the receiver's help.
struct FailureChannel::Message {
  enum class Kind : int { failed, stopped, verdict, reported };
  Kind kind = Kind::stopped;
  int rank = 0;
  ExitCode code = ExitCode::crash;
  std::array<char, 2048> text{};
  std::array<char, 512> hint{};
  std::array<char, 1024> recent_calls{};
};

FailureChannel::FailureChannel() : incoming_(std::make_unique<Message>()) { post_receive(); }

FailureChannel::~FailureChannel() {
  // The posted receive is never completed on a good run; MPI frees it at MPI_Finalize.
  receive_.abandon();
  incoming_.release();  // NOLINT(bugprone-unused-return-value): MPI may still write into it
  if (verdict_ || !failures_.empty() || !outgoing_.empty()) comm_.abandon();
}

void FailureChannel::post_receive() {
  receive_ = comm_.receive_from_any(std::as_writable_bytes(std::span(incoming_.get(), 1)));
}

void FailureChannel::send(const Message& message, int to) {
  outgoing_.push_back(std::make_unique<Message>(message));
  comm_.send(std::as_bytes(std::span(outgoing_.back().get(), 1)), to);
}

void FailureChannel::announce(const Failure& failure) {
  Message message;
  message.kind = Message::Kind::failed;
  message.rank = comm_.rank();
  message.code = failure.code;
  copy_text(message.text, failure.message);
  copy_text(message.hint, failure.hint);
  copy_text(message.recent_calls, failure.recent_calls);
  for (int peer = 0; peer < comm_.size(); ++peer) {
    if (peer != comm_.rank()) send(message, peer);
  }
}

void FailureChannel::poll() {
  while (receive_.test()) {
    const Message& message = *incoming_;
    switch (message.kind) {
      case Message::Kind::failed:
        failures_[message.rank] = {message.code, message.text.data(), message.hint.data(),
                                   message.recent_calls.data()};
        stopped_[message.rank] = true;
        break;
      case Message::Kind::stopped:
        stopped_[message.rank] = true;
        break;
      case Message::Kind::verdict:
        verdict_ = message.code;
        break;
      case Message::Kind::reported:
        reported_ = true;
        break;
    }
    post_receive();
  }
}

std::optional<int> FailureChannel::failed_peer() {
  poll();
  if (failures_.empty()) return std::nullopt;
  return failures_.begin()->first;
}

Settlement FailureChannel::settle(const std::optional<Failure>& own, std::chrono::milliseconds deadline) {
  const auto begin = std::chrono::steady_clock::now();
  const auto wait_for = [&](auto&& done, std::chrono::milliseconds limit) {
    for (poll(); !done() && std::chrono::steady_clock::now() < begin + limit; poll()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  };
  if (own) failures_[comm_.rank()] = *own;
  // What all ranks heard of leads to the same code even where the verdict does not come.
  const auto code = [&] { return failures_.empty() ? ExitCode::crash : failures_.begin()->second.code; };
  Message message;
  message.rank = comm_.rank();
  if (comm_.rank() != 0) {
    if (!own) send(message, 0);
    wait_for([&] { return verdict_.has_value(); }, deadline);
    if (verdict_ || !own) return {verdict_.value_or(code()), {}, {}};
    message.kind = Message::Kind::reported;  // should rank 0 wake up after all
    send(message, 0);
    return {code(), {{comm_.rank(), *own}}, {0}};
  }
  const int peers = comm_.size() - 1;
  // At half time, so that the verdict arrives before anyone gives up waiting for it.
  wait_for([&] { return static_cast<int>(stopped_.size()) == peers; }, deadline / 2);
  if (reported_) return {code(), {}, {}};
  message.kind = Message::Kind::verdict;
  message.code = code();
  for (int peer = 1; peer < comm_.size(); ++peer) send(message, peer);
  verdict_ = message.code;
  std::vector<int> unanswered;
  for (int peer = 1; peer < comm_.size(); ++peer) {
    if (!stopped_.contains(peer)) unanswered.push_back(peer);
  }
  return {message.code, failures_, unanswered};
}

}  // namespace vitrail::sharding
