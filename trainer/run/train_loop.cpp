#include "trainer/run/train_loop.hpp"

#include <utility>

#include <c10/util/Exception.h>

#include "sharding/agreement/gather_text.hpp"
#include "sharding/device/gpu_device.hpp"
#include "trainer/base/seconds_since.hpp"
#include "trainer/base/text/progress.hpp"
#include "trainer/checkpoint/checkpoint_size.hpp"
#include "trainer/checkpoint/checkpoint_space.hpp"
#include "trainer/evaluation/evaluate_run.hpp"
#include "trainer/run/restore.hpp"
#include "trainer/run/run_agreement.hpp"

namespace vitrail::trainer {
namespace {

datasets::LoaderStats since(datasets::LoaderStats now, const datasets::LoaderStats& before) {
  now.seconds_waited -= before.seconds_waited;
  now.images -= before.images;
  now.worker_seconds -= before.worker_seconds;
  now.bytes_read -= before.bytes_read;
  return now;
}

PhaseLog::Seconds since(PhaseLog::Seconds now, const PhaseLog::Seconds& before) {
  for (std::size_t i = 0; i < now.size(); ++i) now[i] -= before[i];
  return now;
}

// Images as they are made, to the trace.
datasets::ImageWatch image_watch(StepTrace* trace) {
  if (trace == nullptr) return {};
  return [trace](std::size_t worker, StepTrace::Clock::time_point begin, StepTrace::Clock::time_point end) {
    trace->add("image", {TraceTrack::Kind::worker, static_cast<std::int64_t>(worker)}, begin, end);
  };
}

}  // namespace

TrainLoop::TrainLoop(Assembly& run, TrainState state, const RunServices& services, MetricsLogger* metrics)
    : run_(run),
      state_(std::move(state)),
      services_(services),
      metrics_(metrics),
      deadline_(services.request.job_ends, services.request.config.run.stop_before),
      saver_(run, state_, services, metrics != nullptr ? &metrics->file() : nullptr),
      slow_ranks_(services.request.config.watchdog.slow) {
  if (metrics != nullptr && run.device.is_cuda() && sharding::built_with_cuda())
    gpu_meter_.emplace(sharding::name_on_bus(run.device.index()));
}

std::optional<ExitCode> TrainLoop::run() {
  try {
    return run_to_the_end();
  } catch (const sharding::AgreedError& e) {
    // All ranks are here, so the checkpoint under way is not lost.
    saver_.wait();
    throw sharding::AgreedError(e.in(doing_), e.rank());
  } catch (const Error& e) {
    throw e.in(doing_);
  } catch (const c10::Error& e) {
    throw Error(ExitCode::crash, e.what_without_backtrace()).in(doing_);
  }
}

std::optional<ExitCode> TrainLoop::run_to_the_end() {
  const bool finished_before = state_.step == run_.total_steps && !evaluation_due();
  if (finished_before) return at_end("the run is finished");
  if (asked_already()) return ExitCode::saved;
  check_checkpoint_space(services_.directory.checkpoints(),
                         {saver_.bytes_of_rank(), most_checkpoints(services_.request.config)},
                         services_.writer, run_.communicator, services_.log);
  run_.start_loader(state_, image_watch(services_.trace));
  for (;;) {
    if (!agreed_.stop && evaluation_due() && !evaluate_now()) agreed_.stop = true;
    const bool finished = state_.step == run_.total_steps;
    if (services_.guard.has_diverged() && !agreed_.stop) {
      saver_.wait();
      return std::nullopt;
    }
    doing_ = fmt::format("saving after step {}", state_.step);
    run_.communicator.limit_wait({});
    // Saved now, it would be what the run rolls back to once the loss has diverged.
    const bool is_bad = agreed_.stop && !finished && services_.guard.is_bad();
    if (is_bad) {
      saver_.wait();
    } else if (finished || agreed_.stop) {
      run_.finish_publishing();
      saver_.save_at_end(state_, finished && !agreed_.stop);
    } else if ((agreed_.save || saver_.due(state_)) && !services_.guard.is_bad()) {
      saver_.save(state_);
    }
    if (finished && !agreed_.stop) return at_end("the planned end is reached");
    if (agreed_.stop) {
      services_.log.event(
          {"stopped", state_.step,
           fmt::format(
               "stopped on request after step {}; the same command goes on from {}", state_.step,
               is_bad ? "the last checkpoint: the loss was bad, so this step was not saved" : "there")});
      return ExitCode::saved;
    }
    step();
  }
}

// A step would be progress: a job whose signal comes as early as this each time would be requeued for ever.
bool TrainLoop::asked_already() {
  std::vector<double> ranks{wants_to_stop() ? 1.0 : 0.0};
  run_.communicator.all_reduce_sum(ranks);
  if (ranks[0] == 0) return false;
  services_.log.event(
      {"stopped", state_.step,
       fmt::format("stopped on request before step {}; the same command begins there", state_.step + 1)});
  return true;
}

ExitCode TrainLoop::at_end(const char* words) {
  services_.log.event(
      {"finished", state_.step, fmt::format("{}: step {} of {}", words, state_.step, run_.total_steps)});
  return ExitCode::done;
}

bool TrainLoop::due(const Duration& every, const char* key) const {
  return is_due(every, state_.step, run_.steps_per_epoch, key);
}

bool TrainLoop::evaluation_due() const {
  if (!run_.validation_data || state_.step == 0 || state_.evaluated_step == state_.step) return false;
  return state_.step == run_.total_steps || due(services_.request.config.evaluation.every, "evaluate.every");
}

bool TrainLoop::evaluate_now() {
  doing_ = fmt::format("evaluation after step {}", state_.step);
  const Config& config = services_.request.config;
  const auto begin = Clock::now();
  run_.finish_publishing();
  run_.communicator.limit_wait({});
  services_.phases.enter(Phase::evaluate, state_.step);
  const auto result = evaluate_run(
      run_, config,
      [&] {
        services_.phases.enter(Phase::evaluate, state_.step);
        return wants_to_stop();
      },
      services_.log);
  services_.phases.enter(Phase::none, state_.step);
  if (!result) return false;
  state_.evaluated_step = state_.step;
  if (is_best(*result)) agreed_.save = true;
  if (metrics_ != nullptr) metrics_->append(to_json_line(state_.step, *result));
  services_.log.line(
      fmt::format("evaluation after step {}{}: {}, {} images in {}", state_.step,
                  config.evaluation.weights == WeightsUsed::ema ? " (average of the weights)" : "",
                  describe(*result), result->images, format_duration(seconds_since(begin))));
  return true;
}

bool TrainLoop::is_best(const Scores& result) {
  const BestBy by = services_.request.config.checkpoint.keep_best;
  if (by == BestBy::none) return false;
  const Score& score = result.at(by == BestBy::top1 ? "top1" : "loss");
  if (!is_better(score, state_.best ? std::optional(state_.best->value) : std::nullopt)) return false;
  state_.best = {score.value, state_.step};
  return true;
}

StepSignals TrainLoop::own_signals() {
  return {
      .save = saver_.wished(), .stop = wants_to_stop(), .checkpoint_written = saver_.checkpoint_written()};
}

bool TrainLoop::wants_to_stop() {
  return services_.stop.received() ||
         deadline_.has_come(Clock::now(), step_seconds_, saver_.seconds_of_last());
}

void TrainLoop::step() {
  doing_ = fmt::format("step {} (epoch {})", state_.step + 1, state_.step / run_.steps_per_epoch);
  run_.communicator.limit_wait(services_.watchdog.longest_wait());
  if (traces_from(state_.step + 1)) begin_trace();
  const bool traced = trace_begin_.has_value();
  StepContext context = run_.context(services_.phases);
  if (traced) context.trace = services_.trace;
  const auto begin = Clock::now();
  if (traces_from(state_.step + 1)) trace_begin_ = begin;
  const PhaseLog::Seconds phases_before = services_.phases.seconds();
  const datasets::LoaderStats data_before = context.loader.stats();
  const double comm_before = run_.communicator.traffic().seconds_waited;
  const StepResult result = train_step(context, state_, own_signals(), work_);
  agreed_ = result.agreed;
  const auto data = since(context.loader.stats(), data_before);
  const double comm_wait = run_.communicator.traffic().seconds_waited - comm_before;
  step_seconds_ = seconds_since(begin);
  services_.watchdog.step_took(Clock::now() - begin);
  const auto lanes = static_cast<double>(run_.gradients.layout().lanes.count());
  work_ = {data.seconds_waited / lanes, (step_seconds_ - data.seconds_waited - comm_wait) / lanes};
  services_.phases.enter(Phase::record, state_.step);
  if (traced) {
    services_.trace->add(fmt::format("step {}", state_.step), {TraceTrack::Kind::steps}, begin, Clock::now());
  }
  services_.guard.look_at(result.loss, result.grad_norm);
  record(result, {step_seconds_, comm_wait, data, since(services_.phases.seconds(), phases_before)});
  name_slow_ranks(result.work);
  if (traced && (traces_to(state_.step) || agreed_.stop)) write_trace();
  if (agreed_.damage) settle_damage();
  compare_weights();
  doing_ = fmt::format("saving while step {} was over", state_.step);
  if (agreed_.checkpoint_written) saver_.advance();
  services_.phases.enter(Phase::none, state_.step);
}

void TrainLoop::name_slow_ranks(const std::vector<OwnWork>& work) {
  for (const SlowRank& slow : slow_ranks_.add(work)) {
    services_.log.event(
        {"slow_rank",
         state_.step,
         fmt::format("rank {} on {} is slow: {:.2f} times the other ranks' median over the last {} steps, "
                     "in {}",
                     slow.rank, services_.hosts.at(static_cast<std::size_t>(slow.rank)), slow.factor,
                     2 * SlowRanks::kWindow, slow.by_data ? "waiting for data" : "computing"),
         {{"rank", slow.rank}}});
  }
}

bool TrainLoop::traces_from(std::int64_t step) const {
  return step == services_.request.config.log.trace_step;
}

bool TrainLoop::traces_to(std::int64_t step) const {
  const LogConfig& log = services_.request.config.log;
  return step == log.trace_step + log.trace_steps - 1 || step == run_.total_steps;
}

// Clocks of several machines have nothing in common but that all come out of a barrier together.
void TrainLoop::begin_trace() {
  run_.communicator.barrier();
  trace_begin_ = Clock::now();
  if (services_.request.config.log.trace_operators) operators_.emplace(*services_.trace, run_.device);
}

void TrainLoop::write_trace() {
  operators_.reset();
  const int rank = run_.communicator.rank();
  const std::string& host = services_.hosts.at(static_cast<std::size_t>(rank));
  const auto events =
      sharding::gather_text(run_.communicator, services_.trace->events(rank, host, *trace_begin_));
  trace_begin_.reset();
  const auto first = services_.request.config.log.trace_step;
  const auto file = services_.directory.root / fmt::format("trace-step-{:08}.json", first);
  if (rank != 0) return;
  try {
    write_text_atomically(file, trace_file(events));
    services_.log.line(
        fmt::format("wrote {}: open it in chrome://tracing or ui.perfetto.dev", file.string()));
  } catch (const Error& e) {  // a run is worth more than a picture of it
    services_.log.line(fmt::format("no trace of step {}: {}", first, e.what()));
  }
}

void TrainLoop::compare_weights() {
  if (!due(services_.request.config.sharding.compare_every, "sharding.compare_every")) return;
  run_.finish_publishing();
  check_same_weights(run_);
}

void TrainLoop::settle_damage() {
  for (const auto& [sample, why] : run_.share_damage()) {
    if (state_.damaged.emplace(sample, why).second)
      services_.log.event({"damaged_image", state_.step, fmt::format("replaced: {}", why)});
  }
  sharding::agree(run_.communicator, [&] {
    if (run_.communicator.rank() != 0) return;  // all would say the same
    datasets::check_damage(state_.damaged, static_cast<std::uint64_t>(run_.train_data->size()),
                           run_.train_data->describe());
  });
}

void TrainLoop::record(const StepResult& result, const StepCosts& costs) {
  if (metrics_ == nullptr) return;
  const auto& [seconds, comm_wait, data, phases] = costs;
  const auto batch = services_.request.config.data.global_batch_size;
  StepMetrics m;
  m.step = state_.step;
  m.epoch = static_cast<double>(state_.step) / static_cast<double>(run_.steps_per_epoch);
  m.images = state_.step * batch;
  m.loss = result.loss;
  m.lr = result.lr;
  m.weight_decay = result.weight_decay;
  m.grad_norm = result.grad_norm;
  m.loss_scale = result.loss_scale;
  m.skipped = state_.loss_scale.skipped;
  m.order_hash = result.order_hash;
  m.images_per_s = static_cast<double>(batch) / seconds;
  m.mfu = run_.mfu(m.images_per_s, state_.step - 1);
  m.data_wait = data.seconds_waited;
  m.read_mb_per_s = static_cast<double>(data.bytes_read) / 1e6 / seconds;
  if (data.images > 0) m.decode_images_per_s = static_cast<double>(data.images) / data.worker_seconds;
  m.queue_depth = data.queue_depth;
  m.comm_exposed = comm_wait;
  m.memory_bytes = run_.device.is_cpu() ? resident_bytes() : run_.most_memory();
  m.seconds = seconds;
  const auto in = [&phases = phases](Phase phase) { return phases.at(static_cast<std::size_t>(phase)); };
  m.phases = {in(Phase::data), in(Phase::forward), in(Phase::backward), in(Phase::reduce), in(Phase::update)};
  if (gpu_meter_) {
    const GpuReading gpu = gpu_meter_->read();
    m.gpu_utilisation = gpu.busy;
    m.gpu_power_w = gpu.watts;
  }
  metrics_->record(m);
}

}  // namespace vitrail::trainer
