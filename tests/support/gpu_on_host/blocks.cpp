// Runs a block's threads as fibers.
#include "tests/support/gpu_on_host/blocks.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <numeric>
#include <vector>

#include <setjmp.h>
#include <ucontext.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

// NOLINTNEXTLINE(readability-identifier-naming, cppcoreguidelines-avoid-non-const-global-variables): CUDA's
dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace vitrail::tests::gpu_on_host {
namespace {

constexpr std::size_t kStack = 64 << 10;
constexpr unsigned kWarp = 32;

[[noreturn]] void die(const char* why) {
  std::fprintf(stderr, "gpu_on_host: %s\n", why);
  std::abort();
}

// AddressSanitizer wants to know before another stack is used, and once it is.
#ifdef __SANITIZE_ADDRESS__
void tell_next_stack(const void* bottom, std::size_t size) {
  __sanitizer_start_switch_fiber(nullptr, bottom, size);
}
void tell_arrived(const void** left, std::size_t* left_size) {
  __sanitizer_finish_switch_fiber(nullptr, left, left_size);
}
#else
void tell_next_stack(const void*, std::size_t) {}
void tell_arrived(const void**, std::size_t*) {}
#endif

// Begun once by setcontext, then changed by _longjmp, which asks the kernel for nothing.
struct Fiber {
  enum class State : std::uint8_t { ready, at_barrier, at_shuffle, done };
  jmp_buf resume_at;
  bool begun = false;
  std::unique_ptr<char[]> stack{new char[kStack]};
  State state = State::done;
  double value = 0;  // in a shuffle
  const void* given = nullptr;
};
using State = Fiber::State;

// The one block that runs. NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): the kernels'
// threads have nowhere else to look.
std::vector<Fiber> fibers;
unsigned current = 0;
jmp_buf scheduler;
const void* scheduler_stack = nullptr;
std::size_t scheduler_stack_size = 0;
const std::function<void()>* body = nullptr;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

void leave(State state) {
  fibers[current].state = state;
  if (_setjmp(fibers[current].resume_at) == 0) {
    tell_next_stack(scheduler_stack, scheduler_stack_size);
    _longjmp(scheduler, 1);
  }
  tell_arrived(&scheduler_stack, &scheduler_stack_size);
}

void run_for_ever() {
  tell_arrived(&scheduler_stack, &scheduler_stack_size);
  for (;;) {
    (*body)();
    leave(State::done);
  }
}

void resume(unsigned thread) {
  current = thread;
  threadIdx.x = thread;
  if (_setjmp(scheduler) != 0) return tell_arrived(nullptr, nullptr);
  Fiber& fiber = fibers[current];
  tell_next_stack(fiber.stack.get(), kStack);
  if (fiber.begun) _longjmp(fiber.resume_at, 1);
  fiber.begun = true;
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = fiber.stack.get();
  context.uc_stack.ss_size = kStack;
  context.uc_link = nullptr;
  makecontext(&context, run_for_ever, 0);
  setcontext(&context);
}

void in_order(Order order, std::mt19937& random, std::vector<unsigned>& turns) {
  if (order == Order::descending) std::ranges::sort(turns, std::greater<>());
  if (order == Order::shuffled) std::ranges::shuffle(turns, random);
}

std::vector<unsigned> numbers(unsigned first, unsigned count) {
  std::vector<unsigned> all(count);
  std::iota(all.begin(), all.end(), first);
  return all;
}

auto in_state(State state) {
  return [state](unsigned thread) { return fibers[thread].state == state; };
}

void set_all(const std::vector<unsigned>& threads, State state) {
  for (const unsigned thread : threads) fibers[thread].state = state;
}

// To the warp's next barrier of the block, or its end: as far ahead of the other warps as it may get.
void run_warp(std::vector<unsigned>& threads, Order order, std::mt19937& random) {
  for (;;) {
    in_order(order, random, threads);
    for (const unsigned thread : threads) {
      if (fibers[thread].state == State::ready) resume(thread);
    }
    if (std::ranges::none_of(threads, in_state(State::at_shuffle))) return;
    if (!std::ranges::all_of(threads, in_state(State::at_shuffle)))
      die("a shuffle of a full mask that not all threads of the warp reach together");
    set_all(threads, State::ready);
  }
}

void run_block(unsigned threads, Order order, std::mt19937& random) {
  std::vector<std::vector<unsigned>> warps;
  for (unsigned first = 0; first < threads; first += kWarp) warps.push_back(numbers(first, kWarp));
  std::vector<unsigned> turns = numbers(0, threads / kWarp);
  const std::vector<unsigned> all = numbers(0, threads);
  set_all(all, State::ready);
  for (;;) {
    in_order(order, random, turns);
    for (const unsigned warp : turns) run_warp(warps[warp], order, random);
    if (std::ranges::all_of(all, in_state(State::done))) return;
    if (!std::ranges::all_of(all, in_state(State::at_barrier)))
      die("a barrier that not all threads of the block reach");
    set_all(all, State::ready);
  }
}

}  // namespace

void barrier() { leave(State::at_barrier); }

double shuffled(double value, unsigned mask, unsigned partner) {
  if (mask != 0xffffffffU) die("a shuffle of less than a warp");
  fibers[current].value = value;
  leave(State::at_shuffle);
  const double got = fibers[current / kWarp * kWarp + partner].value;
  leave(State::at_shuffle);  // nobody gives its next value before all have read
  return got;
}

void with_warp(const void* own, const std::function<void(const std::array<const void*, 32>&)>& look) {
  fibers[current].given = own;
  leave(State::at_shuffle);
  std::array<const void*, kWarp> warp{};
  for (unsigned lane = 0; lane < kWarp; ++lane) warp.at(lane) = fibers[current / kWarp * kWarp + lane].given;
  look(warp);
  leave(State::at_shuffle);
}

bool can_run(dim3 grid, dim3 threads) {
  return grid.x > 0 && grid.y == 1 && grid.z == 1 && threads.x > 0 && threads.x <= 1024 &&
         threads.x % kWarp == 0 && threads.y == 1 && threads.z == 1;
}

void run_blocks(dim3 grid, dim3 threads, Order order, const std::function<void()>& kernel) {
  static std::mutex one_at_a_time;  // of whatever GPU
  const std::lock_guard lock(one_at_a_time);
  std::mt19937 random(7);
  if (fibers.size() < threads.x) fibers = std::vector<Fiber>(threads.x);  // of no block that has begun
  body = &kernel;
  blockDim = threads;
  gridDim = grid;
  for (unsigned block = 0; block < grid.x; ++block) {
    blockIdx.x = order == Order::descending ? grid.x - 1 - block : block;
    run_block(threads.x, order, random);
  }
}

}  // namespace vitrail::tests::gpu_on_host
