#include "sharding/state/sharded_optimizer.hpp"

#include <cmath>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "sharding/comm/communication_queue.hpp"
#include "sharding/state/parameter_gather.hpp"
#include "tests/support/direct_plan.hpp"
#include "tests/support/place.hpp"
#include "tests/support/thread_world.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::sharding {
namespace {

constexpr std::int64_t kLanes = 4;
const std::vector<double> kDecay = {0.0, 0.05, 0.05};

// Factors of all weight decay, by the rules and by the optimizer's own.
struct DecayScales {
  double rules = 1, optimizer = 1;
};

// Units as a vector's, as rows that are longer than a run and a slice, and as short ones that slices cut.
const std::vector<std::int64_t> kUnits = {100, 75000, 37};

std::vector<ParameterRule> rules(double scale) {
  return {{scale * kDecay[0], 1, 0, kUnits[0]},
          {scale * kDecay[1], 0.5, 0, kUnits[1]},
          {scale * kDecay[2], 1, 0, kUnits[2]}};
}

std::vector<ParameterShape> updated_parameters() {
  return {{"bias", 100, false}, {"w0", 150000, true}, {"w1", 777, true}};
}

double value(std::uint64_t when, std::size_t parameter, std::int64_t i) {
  Philox random(2, Purpose::test, when, parameter);
  random.seek(static_cast<std::uint64_t>(4 * i));
  return random.normal();
}

// What a world does its work with.
struct Means {
  ParallelFor parallel_for = serial_for;
  tests::Way way = tests::Way::host;
};

// Weights by parameter after `steps` updates on `world` ranks.
template <class Real>
std::vector<std::vector<Real>> train(int world, const OptimizerConfig& config, int steps,
                                     double* last_norm = nullptr, const Means& means = {},
                                     const DecayScales& decay = {}) {
  const BucketPlan plan = make_bucket_plan(updated_parameters(), kLanes, 1000);
  const DataType type = sizeof(Real) == 8 ? DataType::f64 : DataType::f32;
  std::vector<std::vector<Real>> result;
  for (const ParameterShape& p : plan.parameters) result.emplace_back(static_cast<std::size_t>(p.elements));
  std::mutex mutex;
  tests::run_world(world, [&](Communicator& ranks) {
    tests::Place place(ranks, means.way);
    HostDevice threaded(means.parallel_for);
    Device& device = means.way == tests::Way::host ? threaded : place.device();
    std::vector<Buffer> brought;  // until the end: giving memory back waits
    CommunicationQueue communicator(place.ranks());
    GradientReducer gradients(plan, tests::direct_plan(kLanes, ranks), {type, type}, communicator, device);
    LaneState state(plan, gradients.layout().held, type, device);
    ShardedOptimizer optimizer(config, rules(decay.rules), communicator);
    optimizer.scale_weight_decay(decay.optimizer);
    for (const Piece& piece : plan.pieces) {
      if (!state.owns(piece)) continue;
      std::vector<Real> weight;
      for (std::int64_t i = 0; i < piece.elements; ++i) {
        weight.push_back(static_cast<Real>(value(0, piece.parameter, piece.in_parameter + i)));
      }
      state.write(StateKind::weight, piece, reinterpret_cast<const std::byte*>(weight.data()));
    }
    for (int step = 1; step <= steps; ++step) {
      for (std::int64_t lane = gradients.layout().lanes.begin; lane < gradients.layout().lanes.end; ++lane) {
        gradients.begin_lane(lane);
        for (std::size_t p = 0; p < plan.parameters.size(); ++p) {
          std::vector<Real> g(static_cast<std::size_t>(plan.parameters[p].elements));
          for (std::size_t i = 0; i < g.size(); ++i) {
            g[i] = static_cast<Real>(
                value(static_cast<std::uint64_t>(step * 100 + lane), p, static_cast<std::int64_t>(i)));
          }
          Buffer& on_device = brought.emplace_back(type, static_cast<std::int64_t>(g.size()), device);
          device.compute().copy(reinterpret_cast<const std::byte*>(g.data()), g.size() * sizeof(Real),
                                on_device.data());
          gradients.add(p, on_device.data());
        }
        gradients.end_lane();
      }
      gradients.exchange();
      const double scale = 1.0 / kLanes;
      PerTensorSums squares = optimizer.clip_own(state, gradients, scale);
      communicator.all_reduce_sum(squares.values());
      optimizer.step(state, gradients, 1e-2, scale, squares);
      const double norm = ShardedOptimizer::gradient_norm(squares, scale);
      if (last_norm != nullptr && communicator.rank() == 0) *last_norm = norm;
    }
    const std::lock_guard lock(mutex);
    for (const Piece& piece : plan.pieces) {
      if (!state.owns(piece)) continue;
      state.read(StateKind::weight, piece,
                 reinterpret_cast<std::byte*>(result[piece.parameter].data() + piece.in_parameter));
    }
    state.device().compute().finish();
  });
  return result;
}

std::vector<OptimizerConfig> configurations() {
  std::vector<OptimizerConfig> all;
  for (const OptimizerName name : {OptimizerName::adamw, OptimizerName::lamb, OptimizerName::sgd}) {
    for (const double clip : {0.0, 0.5}) {
      OptimizerConfig config;
      config.name = name;
      config.clip_norm = clip;
      config.clip_value = clip / 10;
      config.clip_adaptive = clip;
      config.lamb_always_adapt = config.lamb_decoupled_decay = config.lamb_trust_clip = clip > 0;
      all.push_back(config);
    }
  }
  return all;
}

TEST(ShardedOptimizer, AnyNumberOfRanksTakesTheStepOfOne) {
  for (const OptimizerConfig& config : configurations()) {
    const auto one = train<float>(1, config, 3);
    for (const int world : {2, 3, 4}) EXPECT_EQ(train<float>(world, config, 3), one) << world;
  }
}

TEST(ShardedOptimizer, AnyNumberOfThreadsTakesTheStepOfOne) {
  const ParallelFor backwards_on_threads = [](std::int64_t items, const ParallelBody& body) {
    std::vector<std::jthread> threads;
    for (std::int64_t i = items; i-- > 0;) threads.emplace_back([&body, i] { body(i, i + 1); });
  };
  for (const OptimizerConfig& config : configurations()) {
    EXPECT_EQ(train<float>(2, config, 3, nullptr, {backwards_on_threads}), train<float>(2, config, 3));
  }
}

TEST(ShardedOptimizer, ADeviceThatWorksLateTakesTheSameStep) {
  for (const OptimizerConfig& config : configurations()) {
    const auto expected = train<float>(1, config, 3);
    for (const int world : {1, 3, 4}) {
      for (const tests::Way way : {tests::Way::staged, tests::Way::device})
        EXPECT_EQ(train<float>(world, config, 3, nullptr, {.way = way}), expected)
            << world << ", " << name_of(way);
    }
  }
}

TEST(ShardedOptimizer, ScaledWeightDecayIsThatOfScaledRules) {
  for (const OptimizerConfig& config : configurations()) {
    const auto scaled = train<float>(2, config, 3, nullptr, {}, {.optimizer = 0.5});
    EXPECT_EQ(scaled, train<float>(2, config, 3, nullptr, {}, {.rules = 0.5}));
    EXPECT_NE(scaled, train<float>(2, config, 3));
  }
}

TEST(ShardedOptimizer, NormIsThatOfTheMeanGradient) {
  double norm = 0;
  train<double>(2, OptimizerConfig{}, 1, &norm);
  double squares = 0;
  for (std::size_t p = 0; p < updated_parameters().size(); ++p) {
    for (std::int64_t i = 0; i < updated_parameters()[p].elements; ++i) {
      double mean = 0;
      for (std::uint64_t lane = 0; lane < kLanes; ++lane) mean += value(100 + lane, p, i) / kLanes;
      squares += mean * mean;
    }
  }
  EXPECT_NEAR(norm, std::sqrt(squares), 1e-12 * norm);
}

// One step of LAMB from its definition, for a tensor that no clip touches.
TEST(ShardedOptimizer, LambStepEqualsItsFormula) {
  OptimizerConfig config;
  config.lamb_max_grad_norm = 0;
  const auto after = train<double>(3, config, 1);
  for (std::size_t p = 0; p < updated_parameters().size(); ++p) {
    const std::int64_t n = updated_parameters()[p].elements;
    std::vector<double> update(static_cast<std::size_t>(n));
    double weight_squares = 0, update_squares = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      double g = 0;
      for (std::uint64_t lane = 0; lane < kLanes; ++lane) g += value(100 + lane, p, i) / kLanes;
      const double w = value(0, p, i);
      double& u = update[static_cast<std::size_t>(i)];
      u = g / (std::abs(g) + config.eps) + kDecay[p] * w;  // first step: both moments are the gradient's
      weight_squares += w * w;
      update_squares += u * u;
    }
    const double ratio = kDecay[p] == 0 ? 1 : std::sqrt(weight_squares / update_squares);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = static_cast<std::size_t>(i);
      EXPECT_NEAR(after[p][k], value(0, p, i) - 1e-2 * rules(1)[p].lr_scale * ratio * update[k], 1e-12);
    }
  }
}

// Gradients and weights of units are as long as each other here: half of them are clipped.
TEST(ShardedOptimizer, AdaptiveClippingEqualsItsFormula) {
  OptimizerConfig config{.name = OptimizerName::sgd, .momentum = 0, .nesterov = false, .clip_adaptive = 0.5};
  std::vector<ParameterRule> without_decay = rules(0);
  for (const int world : {1, 3}) {
    const auto after = train<double>(world, config, 1, nullptr, {}, {.rules = 0});
    std::size_t clipped = 0, units = 0;
    for (std::size_t p = 0; p < updated_parameters().size(); ++p) {
      for (std::int64_t begin = 0; begin < updated_parameters()[p].elements; begin += kUnits[p]) {
        std::vector<double> gradient;
        double weights = 0, gradients = 0;
        for (std::int64_t i = begin; i < begin + kUnits[p]; ++i) {
          double& g = gradient.emplace_back(0);
          for (std::uint64_t lane = 0; lane < kLanes; ++lane) g += value(100 + lane, p, i) / kLanes;
          weights += value(0, p, i) * value(0, p, i);
          gradients += g * g;
        }
        const double most = 0.5 * std::sqrt(weights), norm = std::sqrt(gradients);
        clipped += norm > most ? 1 : 0;
        ++units;
        const double rate = 1e-2 * without_decay[p].lr_scale * std::min(1.0, most / norm);
        for (std::int64_t i = begin; i < begin + kUnits[p]; ++i) {
          ASSERT_NEAR(after[p][static_cast<std::size_t>(i)],
                      value(0, p, i) - rate * gradient[static_cast<std::size_t>(i - begin)], 1e-12)
              << p << " " << i << " at " << world;
        }
      }
    }
    EXPECT_GT(clipped, units / 4);
    EXPECT_LT(clipped, units);
  }
}

void check_gather(Communicator& communicator, tests::Way way) {
  const BucketPlan plan = make_bucket_plan(updated_parameters(), kLanes, 1000);
  tests::Place place(communicator, way);
  std::vector<Buffer> buckets;
  std::vector<BucketData> whole;
  const LaneRange own = lanes_of_rank(kLanes, communicator.size(), communicator.rank());
  for (const Bucket& bucket : plan.buckets) {
    std::vector<float> values(static_cast<std::size_t>(bucket.slice * kLanes));
    for (std::int64_t i = own.begin * bucket.slice; i < own.end * bucket.slice; ++i) {
      values[static_cast<std::size_t>(i)] = static_cast<float>(i + 1);
    }
    Buffer& buffer = buckets.emplace_back(DataType::f32, bucket.slice * kLanes, place.device());
    place.put(std::as_bytes(std::span(values)).data(), values.size() * sizeof(float), buffer.data());
    whole.push_back({buffer.data(), DataType::f32});
  }
  ParameterGather gather(plan, tests::direct_plan(kLanes, communicator), own, place.ranks(), place.device());
  gather.start(whole);
  for (const std::vector<std::size_t>& group : forward_order(plan, 1)) {
    const std::size_t b = group.front();
    gather.compute_after(b);
    const Buffer& buffer = buckets[b];
    std::vector<float> values(static_cast<std::size_t>(buffer.elements()));
    place.get(buffer.data(), values.size() * sizeof(float), std::as_writable_bytes(std::span(values)).data());
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], static_cast<float>(i + 1));
  }
  gather.finish();
}

TEST(ParameterGather, EveryRankGetsEveryonesSlices) {
  for (const int world : {1, 2, 3, 4}) {
    for (const tests::Way way : tests::kWays) {
      tests::run_world(world, [&](Communicator& communicator) { check_gather(communicator, way); });
    }
  }
}

}  // namespace
}  // namespace vitrail::sharding
