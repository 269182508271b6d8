// What a step costs beside forward, backward and update: steps of the real train_step in turns with forward
// and backward of the same model as LibTorch alone does them, and with the update alone (norm, clip, AdamW).
// ViT-Ti, one rank, one lane, no wire: bench_overhead [BATCH [THREADS [ROUNDS]]]. The loader's thread makes
// its images on another core where there is one. Then what watching costs: the watchdog's thread, the phases
// that a step tells it, and the search for slow ranks among 512.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include <ATen/ATen.h>

#include "models/heads/logits.hpp"
#include "sharding/comm/local_communicator.hpp"
#include "tests/support/assembled.hpp"
#include "trainer/watch/slow_ranks.hpp"
#include "trainer/watch/watchdog.hpp"

namespace vitrail::trainer {
namespace {

double seconds_of(const std::function<void()>& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The value that `share` of the values lie below.
double quantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size()))];
}

double median(const std::vector<double>& values) { return quantile(values, 0.5); }

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

Config config_of(std::int64_t batch, std::int64_t threads) {
  Config config;
  config.run.steps = 1'000'000;
  config.run.threads = threads;
  config.data.train = fmt::format("synthetic:{},1000,224", 4 * batch);
  config.data.global_batch_size = batch;
  config.model.name = "vit_ti16";
  config.model.classes = 1000;
  config.optimizer.name = sharding::OptimizerName::adamw;
  config.optimizer.clip_norm = 1.0;
  return config;
}

// The same model with leaves of its own, whose gradients stay in `.grad`.
class Bare {
 public:
  explicit Bare(Assembly& run)
      : model_(models::make_model(run.config.model)),
        images_(at::randn({run.config.data.global_batch_size, 3, run.config.model.image_size,
                           run.config.model.image_size})),
        labels_(at::randint(run.config.model.classes, {run.config.data.global_batch_size})) {
    for (const at::Tensor& tensor : run.student.parameters.tensors()) {
      leaves_.push_back(tensor.detach().clone().requires_grad_());
    }
    model_->bind(leaves_);
  }

  void forward_and_backward() {
    models::Pass pass;
    pass.training = true;
    pass.seed = 1;
    for (at::Tensor& leaf : leaves_) leaf.mutable_grad() = at::Tensor();
    at::cross_entropy_loss(model_->forward(images_, pass).mean(), labels_).backward();
  }

 private:
  std::unique_ptr<models::Model> model_;
  at::Tensor images_, labels_;
  std::vector<at::Tensor> leaves_;
};

// Shares of a step of `step` seconds.
void print_watching(double step) {
  constexpr int kPhases = 7;  // of a step, each told once
  constexpr int kTimes = 1'000'000, kSteps = 400, kRanks = 512;
  PhaseLog phases(0, std::nullopt);
  const double phase = seconds_of([&] {
                         for (int i = 0; i < kTimes; ++i) phases.enter(Phase::forward, i);
                       }) /
                       kTimes;
  SlowRanks slow_ranks(1.3);
  const std::vector<OwnWork> work(kRanks, {.data = 0, .compute = step});
  const double search = seconds_of([&] {
                          for (int i = 0; i < kSteps; ++i) slow_ranks.add(work);
                        }) /
                        kSteps;
  constexpr double kIdle = 10;
  const Watchdog watchdog(phases, WatchdogConfig{}, "rank 0", [](const std::string&) {});
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::duration<double>(kIdle));
  const double thread = (cpu_seconds() - before) / kIdle;
  fmt::print(
      "\n| watching | a step | share |\n|---|---|---|\n| the watchdog's thread | {:.1f} us | {:.4f} % |\n"
      "| {} phases told | {:.2f} us | {:.6f} % |\n| slow ranks among {}, on rank 0 | {:.1f} us | {:.4f} % "
      "|\n",
      thread * step * 1e6, 100 * thread, kPhases, kPhases * phase * 1e6, 100 * kPhases * phase / step, kRanks,
      search * 1e6, 100 * search / step);
}

void compare(std::int64_t batch, std::int64_t threads, int rounds) {
  sharding::LocalCommunicator alone;
  tests::Assembled assembled(config_of(batch, threads), alone);
  tests::Assembled other(config_of(batch, threads), alone);
  Assembly &run = assembled.run, &twin = other.run;  // twin: for updates that change nothing of the run
  Log log(false);
  run.initialise_weights(log);
  twin.initialise_weights(log);
  TrainState state;
  state.loss_scale.scale = 1;
  run.start_loader(state);
  Bare bare(run);
  std::vector<double> steps, passes, updates, waits;
  for (int round = -2; round < rounds; ++round) {  // the first ones warm up
    PhaseLog phases(0, std::nullopt);
    StepContext context = run.context(phases);
    const double waited = context.loader.stats().seconds_waited;
    const double step = seconds_of([&] { train_step(context, state, {}, {}); });
    const double wait = context.loader.stats().seconds_waited - waited;
    const double pass = seconds_of([&] { bare.forward_and_backward(); });
    const double update = seconds_of([&] {
      const sharding::PerTensorSums squares = twin.optimizer.clip_own(twin.lane_state, twin.gradients, 1.0);
      twin.optimizer.step(twin.lane_state, twin.gradients, 1e-3, 1.0, squares);
    });
    if (round < 0) continue;
    steps.push_back(step);
    passes.push_back(pass);
    updates.push_back(update);
    waits.push_back(wait);
  }
  std::vector<double> rests;
  for (std::size_t i = 0; i < steps.size(); ++i) rests.push_back(steps[i] - passes[i] - updates[i]);
  const double step = median(steps);
  fmt::print(
      "| threads | step ms | forward and backward ms | update ms | waiting for data ms | rest, quartiles |\n"
      "|---|---|---|---|---|---|\n| {} | {:.1f} | {:.1f} | {:.2f} | {:.2f} | {:.2f} % ({:.2f} to {:.2f}) |\n",
      threads, step * 1e3, median(passes) * 1e3, median(updates) * 1e3, median(waits) * 1e3,
      100 * median(rests) / step, 100 * quantile(rests, 0.25) / step, 100 * quantile(rests, 0.75) / step);
  print_watching(step);
}

}  // namespace
}  // namespace vitrail::trainer

int main(int argc, char** argv) {
  const auto number = [&](int i, int otherwise) { return argc > i ? std::atoi(argv[i]) : otherwise; };
  vitrail::trainer::compare(number(1, 32), number(2, 1), number(3, 15));
}
