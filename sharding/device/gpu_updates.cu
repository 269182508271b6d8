// One thread block takes one run, each thread four neighbours at a time; what is computed of a number is the
// same wherever it lies. Sums of squares: two neighbouring threads, each four of the sum's ways, take
// kSumLength elements, so that each sum is added up in the order that update_formulas.hpp fixes.
#include <type_traits>

#include "sharding/device/fours.cuh"
#include "sharding/device/gpu_kernels.hpp"
#include "sharding/device/update_formulas.hpp"
#include "trainer/base/launch.cuh"

namespace vitrail::sharding::gpu {
namespace {

using formulas::kSumLength;
using formulas::kWays;

constexpr int kThreadsOfSum = kWays / kFour;
constexpr int kSumsOfRun = kUpdateRun / kSumLength;
constexpr int kSumThreads = kSumsOfRun * kThreadsOfSum;  // of a block that sums squares
static_assert(kUpdateRun % kSumLength == 0 && kSumLength % kWays == 0 && kWays % kFour == 0 &&
                  kSumThreads % 32 == 0,
              "one round takes a run");

// A run's arrays as Real.
template <class Real>
struct Arrays {
  Real *sum, *weight, *exp_avg, *exp_avg_sq, *average;
  bool at_once;  // by fours

  __device__ explicit Arrays(const UpdateRun& run)
      : sum(as(run.sum)),
        weight(as(run.weight)),
        exp_avg(as(run.exp_avg)),
        exp_avg_sq(as(run.exp_avg_sq)),
        average(as(run.average)),
        at_once(by_fours(sum) && by_fours(weight) && by_fours(exp_avg) && by_fours(exp_avg_sq) &&
                by_fours(average)) {}
  __device__ static Real* as(std::byte* bytes) { return reinterpret_cast<Real*>(bytes); }
};

// What a kernel reads and writes of an element.
template <UpdateKernel kKernel>
struct Touches {
  static constexpr bool kSum = kKernel != UpdateKernel::move_average;
  static constexpr bool kWeight = kKernel != UpdateKernel::scale;
  static constexpr bool kExpAvg = kKernel == UpdateKernel::adamw || kKernel == UpdateKernel::sgd;
  static constexpr bool kExpAvgSq = kKernel == UpdateKernel::adamw;
  static constexpr bool kAverage = kKernel == UpdateKernel::move_average;
};

template <UpdateKernel kKernel, class Real>
__device__ void update_element(const formulas::Scalars<Real>& s, Real factor, Real& sum, Real& weight,
                               Real& exp_avg, Real& exp_avg_sq, Real& average) {
  if constexpr (kKernel == UpdateKernel::adamw) formulas::adamw(s, sum, weight, exp_avg, exp_avg_sq);
  if constexpr (kKernel == UpdateKernel::sgd) formulas::sgd(s, sum, weight, exp_avg);
  if constexpr (kKernel == UpdateKernel::apply_update) weight -= factor * sum;
  if constexpr (kKernel == UpdateKernel::scale) sum *= factor;
  if constexpr (kKernel == UpdateKernel::follow) formulas::move_towards(factor, s.scale * sum, weight);
  if constexpr (kKernel == UpdateKernel::move_average) formulas::move_towards(factor, weight, average);
}

template <UpdateKernel kKernel, class Real>
__global__ void __launch_bounds__(kThreads)
    element_kernel(const UpdateRun* runs, const UpdateScalars* by_number) {
  using T = Touches<kKernel>;
  const UpdateRun& run = runs[blockIdx.x];
  const UpdateScalars& scalars = by_number[run.scalars];
  if (kKernel == UpdateKernel::scale && scalars.factor == 1) return;
  const formulas::Scalars<Real> s(scalars.step);
  const auto factor = static_cast<Real>(scalars.factor);
  const Arrays<Real> of(run);
  for (std::int64_t i = threadIdx.x * kFour; i < run.elements; i += kThreads * kFour) {
    const int count = up_to_four(run.elements - i);
    Four<Real> sum{}, weight{}, exp_avg{}, exp_avg_sq{}, average{};
    if constexpr (T::kSum) sum = load(of.sum + i, count, of.at_once);
    if constexpr (T::kWeight) weight = load(of.weight + i, count, of.at_once);
    if constexpr (T::kExpAvg) exp_avg = load(of.exp_avg + i, count, of.at_once);
    if constexpr (T::kExpAvgSq) exp_avg_sq = load(of.exp_avg_sq + i, count, of.at_once);
    if constexpr (T::kAverage) average = load(of.average + i, count, of.at_once);
    for (int k = 0; k < kFour; ++k)
      update_element<kKernel>(s, factor, sum.at[k], weight.at[k], exp_avg.at[k], exp_avg_sq.at[k],
                              average.at[k]);
    if constexpr (kKernel == UpdateKernel::scale) store(sum, of.sum + i, count, of.at_once);
    if constexpr (T::kWeight && !T::kAverage) store(weight, of.weight + i, count, of.at_once);
    if constexpr (T::kExpAvg) store(exp_avg, of.exp_avg + i, count, of.at_once);
    if constexpr (T::kExpAvgSq) store(exp_avg_sq, of.exp_avg_sq + i, count, of.at_once);
    if constexpr (T::kAverage) store(average, of.average + i, count, of.at_once);
  }
}

// What a thread has summed: its ways, and in the first thread of a sum a last group of fewer than kWays.
struct Partial {
  double way[kFour] = {}, rest = 0;
};

// Adds up what the threads of a block have summed; of interest in thread 0.
__device__ double total_of_block(const Partial& own, std::int64_t elements) {
  __shared__ double ways[kSumsOfRun * kWays];
  __shared__ double rests[kSumsOfRun];
  __shared__ double totals[kSumsOfRun];
  const unsigned sum = threadIdx.x / kThreadsOfSum;
  const bool is_first = threadIdx.x % kThreadsOfSum == 0;
  for (int k = 0; k < kFour; ++k) ways[threadIdx.x * kFour + k] = own.way[k];
  if (is_first) rests[sum] = own.rest;
  __syncthreads();
  if (is_first) {
    const double* w = ways + sum * kWays;
    totals[sum] = formulas::total_of_ways(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]) + rests[sum];
  }
  __syncthreads();
  double total = 0;
  if (threadIdx.x == 0) {
    const std::int64_t sums = (elements + kSumLength - 1) / kSumLength;
    for (std::int64_t k = 0; k < sums; ++k) total += totals[k];
  }
  return total;
}

// Elements that join their way's sum, four at a time, and those that do not, one by one.
struct InWays {
  static constexpr int kCount = kFour;
  __device__ static void add(double square, int k, Partial& to) { to.way[k] += square; }
};
struct InRest {
  static constexpr int kCount = 1;
  __device__ static void add(double square, int, Partial& to) { to.rest += square; }
};

// Calls each(i, InWays) for the fours of this thread's ways; and, in the first thread of a sum,
// each(i, InRest) for those of a last group of fewer than kWays.
template <class Each>
__device__ void for_own_elements(std::int64_t elements, const Each& each) {
  const std::int64_t begin = static_cast<std::int64_t>(threadIdx.x / kThreadsOfSum) * kSumLength;
  const std::int64_t end = begin + kSumLength < elements ? begin + kSumLength : elements;
  const std::int64_t whole = end > begin ? begin + (end - begin) / kWays * kWays : begin;
  const unsigned part = threadIdx.x % kThreadsOfSum;
  for (std::int64_t i = begin + part * kFour; i < whole; i += kWays) each(i, InWays{});
  if (part != 0) return;
  for (std::int64_t i = whole; i < end; ++i) each(i, InRest{});
}

template <class Real>
__global__ void __launch_bounds__(kSumThreads)
    clip_kernel(const UpdateRun* runs, const UpdateScalars* by_number, Squares* squares) {
  const UpdateRun& run = runs[blockIdx.x];
  const double factor = by_number[run.scalars].factor;
  const auto limit = static_cast<Real>(factor);
  const Arrays<Real> of(run);
  Partial first, second;
  for_own_elements(run.elements, [&](std::int64_t i, auto where) {
    constexpr int kCount = decltype(where)::kCount;
    const Four<Real> before = load(of.sum + i, kCount, of.at_once);
    Four<Real> after = before;
    for (int k = 0; k < kCount; ++k) {
      if (factor != 0) after.at[k] = formulas::clamped(limit, before.at[k]);
      where.add(formulas::square(before.at[k]), k, first);
      where.add(formulas::square(after.at[k]), k, second);
    }
    if (factor != 0) store(after, of.sum + i, kCount, of.at_once);
  });
  const double of_before = total_of_block(first, run.elements);
  const double of_after = total_of_block(second, run.elements);
  if (threadIdx.x == 0) squares[blockIdx.x] = {of_before, of_after};
}

template <class Real>
__global__ void __launch_bounds__(kSumThreads)
    squares_kernel(const UpdateRun* runs, const UpdateScalars*, Squares* squares) {
  const UpdateRun& run = runs[blockIdx.x];
  const Arrays<Real> of(run);
  Partial of_sum, of_weight;
  for_own_elements(run.elements, [&](std::int64_t i, auto where) {
    constexpr int kCount = decltype(where)::kCount;
    const Four<Real> sum = load(of.sum + i, kCount, of.at_once);
    const Four<Real> weight = load(of.weight + i, kCount, of.at_once);
    for (int k = 0; k < kCount; ++k) {
      where.add(formulas::square(sum.at[k]), k, of_sum);
      where.add(formulas::square(weight.at[k]), k, of_weight);
    }
  });
  const double sums = total_of_block(of_sum, run.elements);
  const double weights = total_of_block(of_weight, run.elements);
  if (threadIdx.x == 0) squares[blockIdx.x] = {sums, weights};
}

template <class Real>
__global__ void __launch_bounds__(kSumThreads)
    lamb_direction_kernel(const UpdateRun* runs, const UpdateScalars* by_number, Squares* squares) {
  const UpdateRun& run = runs[blockIdx.x];
  const UpdateScalars& scalars = by_number[run.scalars];
  const formulas::Scalars<Real> s(scalars.step);
  const auto factor = static_cast<Real>(scalars.factor);
  const bool decays = scalars.factor != 1;
  const Arrays<Real> of(run);
  Partial of_weight, of_update;
  for_own_elements(run.elements, [&](std::int64_t i, auto where) {
    constexpr int kCount = decltype(where)::kCount;
    Four<Real> sum = load(of.sum + i, kCount, of.at_once);
    Four<Real> weight = load(of.weight + i, kCount, of.at_once);
    Four<Real> exp_avg = load(of.exp_avg + i, kCount, of.at_once);
    Four<Real> exp_avg_sq = load(of.exp_avg_sq + i, kCount, of.at_once);
    for (int k = 0; k < kCount; ++k) {
      if (decays) weight.at[k] *= factor;
      formulas::lamb_direction(s, sum.at[k], weight.at[k], exp_avg.at[k], exp_avg_sq.at[k]);
      where.add(formulas::square(weight.at[k]), k, of_weight);
      where.add(formulas::square(sum.at[k]), k, of_update);
    }
    store(sum, of.sum + i, kCount, of.at_once);
    if (decays) store(weight, of.weight + i, kCount, of.at_once);
    store(exp_avg, of.exp_avg + i, kCount, of.at_once);
    store(exp_avg_sq, of.exp_avg_sq + i, kCount, of.at_once);
  });
  const double weights = total_of_block(of_weight, run.elements);
  const double updates = total_of_block(of_update, run.elements);
  if (threadIdx.x == 0) squares[blockIdx.x] = {weights, updates};
}

struct Update {
  const UpdateRun* runs;
  unsigned count;
  const UpdateScalars* scalars;
  Squares* squares;
};

template <UpdateKernel kKernel, class Real>
void update_elements(cudaStream_t stream, const Update& u) {
  launch(element_kernel<kKernel, Real>, u.count, kThreads, stream, u.runs, u.scalars);
}

template <class Real>
void update_as(cudaStream_t stream, UpdateKernel kernel, const Update& u) {
  switch (kernel) {
    case UpdateKernel::clip:
      return launch(clip_kernel<Real>, u.count, kSumThreads, stream, u.runs, u.scalars, u.squares);
    case UpdateKernel::squares:
      return launch(squares_kernel<Real>, u.count, kSumThreads, stream, u.runs, u.scalars, u.squares);
    case UpdateKernel::lamb_direction:
      return launch(lamb_direction_kernel<Real>, u.count, kSumThreads, stream, u.runs, u.scalars, u.squares);
    case UpdateKernel::adamw:
      return update_elements<UpdateKernel::adamw, Real>(stream, u);
    case UpdateKernel::sgd:
      return update_elements<UpdateKernel::sgd, Real>(stream, u);
    case UpdateKernel::apply_update:
      return update_elements<UpdateKernel::apply_update, Real>(stream, u);
    case UpdateKernel::scale:
      return update_elements<UpdateKernel::scale, Real>(stream, u);
    case UpdateKernel::follow:
      return update_elements<UpdateKernel::follow, Real>(stream, u);
    case UpdateKernel::move_average:
      return update_elements<UpdateKernel::move_average, Real>(stream, u);
  }
}

}  // namespace

void launch_update(cudaStream_t stream, UpdateKernel kernel, DataType type, const UpdateRun* runs,
                   std::int64_t count, const UpdateScalars* scalars, Squares* squares) {
  if (count == 0) return;
  const Update update{runs, static_cast<unsigned>(count), scalars, squares};
  if (type == DataType::f64) return update_as<double>(stream, kernel, update);
  update_as<float>(stream, kernel, update);
}

}  // namespace vitrail::sharding::gpu
