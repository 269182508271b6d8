// Batches made ahead by worker threads and handed out in order, at most `ahead` of them in memory. Any idle
// worker takes the next item of the oldest unfinished batch, so neither their number nor their speed shows in
// the result. Throws: what next() says. The destructor stops the workers after the item each is at.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {

// How batch number k is made; all but `finish` run on several threads at once.
template <class Batch>
struct BatchRecipe {
  std::int64_t batches = std::numeric_limits<std::int64_t>::max();
  std::function<std::int64_t(std::int64_t k)> items;  // how many items it has, >= 1; must not throw
  std::function<Batch(std::int64_t k)> allocate;
  // Writes what belongs to `item` alone; `worker`, from 0 on, is the thread that does.
  std::function<void(Batch&, std::int64_t k, std::int64_t item, std::size_t worker)> fill;
  std::function<void(Batch&, std::int64_t k)> finish;  // one thread, after every item is filled
};

template <class Batch>
class Prefetcher {
 public:
  Prefetcher(BatchRecipe<Batch> recipe, std::int64_t ahead, std::int64_t workers)
      : recipe_(std::move(recipe)), ahead_(static_cast<std::size_t>(ahead)) {
    for (std::int64_t i = 0; i < workers; ++i) {
      workers_.emplace_back(
          [this, i](const std::stop_token& stop) { work(stop, static_cast<std::size_t>(i)); });
    }
  }

  // The next batch, or nothing after the last. Throws the Error of the batch's first failed item, again and
  // again.
  std::optional<Batch> next() {
    std::unique_lock lock(mutex_);
    if (given_ == recipe_.batches) return std::nullopt;
    const auto begin = std::chrono::steady_clock::now();
    batch_ready_.wait(lock, [this] { return !slots_.empty() && slots_.front()->left == 0; });
    waited_ += std::chrono::steady_clock::now() - begin;
    if (slots_.front()->error) throw Error(*slots_.front()->error);
    Batch batch = std::move(*slots_.front()->batch);
    slots_.pop_front();
    ++given_;
    lock.unlock();
    work_ready_.notify_all();
    return batch;
  }

  double seconds_waited() const { return waited_.count(); }

  // Batches that next() would hand out without waiting.
  std::size_t ready() {
    const std::lock_guard lock(mutex_);
    const auto first = std::ranges::find_if(slots_, [](const auto& slot) { return slot->left > 0; });
    return static_cast<std::size_t>(first - slots_.begin());
  }

 private:
  struct Slot {
    std::int64_t k = 0, items = 0;
    std::int64_t taken = 0, left = 0;  // items given to workers; items not yet done
    std::int64_t failed_item = 0;      // of `error`
    std::optional<Error> error;
    std::mutex allocating;
    std::optional<Batch> batch;
  };
  struct Task {
    std::shared_ptr<Slot> slot;
    std::int64_t item = 0;
  };

  void work(const std::stop_token& stop, std::size_t worker) {
    while (const std::optional<Task> task = take(stop)) {
      const std::optional<Error> error = attempt([&] { fill(*task, worker); });
      if (settle(*task, error)) finish(*task->slot);
    }
  }

  bool has_items() const { return !slots_.empty() && slots_.back()->taken < slots_.back()->items; }
  bool may_open() const {
    return slots_.size() < ahead_ && given_ + static_cast<std::int64_t>(slots_.size()) < recipe_.batches;
  }

  std::optional<Task> take(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    work_ready_.wait(lock, stop, [this] { return has_items() || may_open(); });
    if (stop.stop_requested()) return std::nullopt;
    if (!has_items()) {
      auto slot = std::make_shared<Slot>();
      slot->k = given_ + static_cast<std::int64_t>(slots_.size());
      slot->items = recipe_.items(slot->k);
      slot->left = slot->items + 1;  // `finish` counts as one
      slots_.push_back(std::move(slot));
    }
    return Task{slots_.back(), slots_.back()->taken++};
  }

  void fill(const Task& task, std::size_t worker) {
    Slot& slot = *task.slot;
    {
      const std::lock_guard lock(slot.allocating);  // not mutex_: clearing a large batch takes milliseconds
      if (!slot.batch) slot.batch.emplace(recipe_.allocate(slot.k));
    }
    recipe_.fill(*slot.batch, slot.k, task.item, worker);
  }

  // True for the one worker that settles the last item: it finishes the batch.
  bool settle(const Task& task, const std::optional<Error>& error) {
    const std::lock_guard lock(mutex_);
    Slot& slot = *task.slot;
    if (error && (!slot.error || task.item < slot.failed_item)) {
      slot.error.emplace(*error);
      slot.failed_item = task.item;
    }
    return --slot.left == 1;
  }

  void finish(Slot& slot) {
    std::optional<Error> error;
    if (!slot.error) error = attempt([&] { recipe_.finish(*slot.batch, slot.k); });
    {
      const std::lock_guard lock(mutex_);
      if (error) slot.error.emplace(*error);
      slot.left = 0;
    }
    batch_ready_.notify_one();
  }

  template <class Action>
  static std::optional<Error> attempt(const Action& action) {
    try {
      action();
    } catch (const Error& error) {
      return error;
    } catch (const std::exception& error) {
      return Error(ExitCode::crash, error.what());
    }
    return std::nullopt;
  }

  const BatchRecipe<Batch> recipe_;
  const std::size_t ahead_;
  std::mutex mutex_;  // guards what follows, but for `batch` of a slot
  std::condition_variable_any work_ready_;
  std::condition_variable batch_ready_;
  std::deque<std::shared_ptr<Slot>> slots_;  // batches given_, given_ + 1, ...
  std::int64_t given_ = 0;
  std::chrono::duration<double> waited_{0};
  std::vector<std::jthread> workers_;  // last: joined before anything they use goes
};

}  // namespace vitrail::datasets
