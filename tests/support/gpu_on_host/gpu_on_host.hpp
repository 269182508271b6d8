// Some GPUs that are the host, for tests: .cu files are compiled as C++ (cuda.hpp), tensor cores included
// (mma.cpp), and run one block at a time, its threads as fibers that change at barriers and shuffles; streams
// are queues. A test chooses in which order threads run and how late streams do: a barrier or a wait that is
// missing then shows as a wrong result. No dynamic shared memory, no atomics; a barrier that some threads
// pass by ends the program.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

struct CUstream_st;

namespace vitrail::tests::gpu_on_host {

inline constexpr int kGpus = 4;

enum class Order : std::uint8_t { ascending, descending, shuffled };

struct Manner {
  Order threads = Order::ascending;  // of a block, from one barrier to the next
  bool late = false;                 // streams do nothing before somebody waits for them
};
inline constexpr std::array kManners = {Manner{Order::ascending, false},  Manner{Order::descending, true},
                                        Manner{Order::shuffled, false},   Manner{Order::ascending, true},
                                        Manner{Order::descending, false}, Manner{Order::shuffled, true}};

void set_manner(Manner manner);  // ascending and at once until then
// Until then: default streams are never late, as what LibTorch computes on the host is not, for steps that do
// both.
void let_default_streams_be_the_hosts();
// Other work of a stream of this thread's GPU; it may wait for that of other GPUs.
void put_on_stream(CUstream_st* stream, std::function<void()> work);

// What the host has asked for since it was last told. Copies from or to pageable memory are waits, too.
struct Counts {
  std::int64_t launches = 0, copies = 0, pageable_copies = 0, waits = 0;
};
Counts take_counts();

// Device memory that there is in all; more is refused as a GPU does.
void set_memory(std::size_t bytes);

}  // namespace vitrail::tests::gpu_on_host
