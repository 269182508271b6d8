#include "trainer/train_loop.hpp"

#include <c10/util/Exception.h>

#include "sharding/gather_text.hpp"
#include "trainer/base/progress.hpp"
#include "trainer/checkpoint_writer.hpp"
#include "trainer/evaluate.hpp"
#include "trainer/restore.hpp"
#include "trainer/run_agreement.hpp"

namespace vitrail::trainer {
namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

datasets::LoaderStats since(datasets::LoaderStats now, const datasets::LoaderStats& before) {
  now.seconds_waited -= before.seconds_waited;
  now.images -= before.images;
  now.worker_seconds -= before.worker_seconds;
  now.bytes_read -= before.bytes_read;
  return now;
}

}  // namespace

TrainLoop::TrainLoop(Assembly& run, TrainState state, const TrainRequest& request,
                     const RunDirectory& directory, const RunOwner* owner, StepTrace* trace, Log& log,
                     StopSignal& stop)
    : run_(run),
      state_(state),
      request_(request),
      directory_(directory),
      owner_(owner),
      trace_(trace),
      log_(log),
      stop_(stop),
      writer_(sharding::gather_text(run.communicator, request.attempt.label()).front()),
      saved_state_(state),
      first_step_(state.step) {
  sharding::agree(run.communicator, [&] {
    if (run.communicator.rank() == 0) metrics_.emplace(directory.metrics(), state.metrics_bytes);
  });
}

ExitCode TrainLoop::run() {
  try {
    return run_to_the_end();
  } catch (const sharding::AgreedError& e) {
    throw sharding::AgreedError(named(e), e.rank());
  } catch (const Error& e) {
    throw named(e);
  } catch (const c10::Error& e) {
    throw named({ExitCode::crash, e.what_without_backtrace()});
  }
}

Error TrainLoop::named(const Error& error) const {
  return {error.code(), fmt::format("{}: {}", doing_, error.what()), error.hint()};
}

ExitCode TrainLoop::run_to_the_end() {
  const bool finished_before = state_.step == run_.total_steps && !evaluation_due();
  if (finished_before) {
    log_.line(fmt::format("the run is finished: step {} of {}", state_.step, run_.total_steps));
    return ExitCode::done;
  }
  run_.start_loader(state_);
  for (;;) {
    if (!agreed_.stop && evaluation_due() && !evaluate_now()) agreed_.stop = true;
    const bool finished = state_.step == run_.total_steps;
    const bool save_due = agreed_.save || due(request_.config.checkpoint.every, "checkpoint.every");
    if (finished || agreed_.stop) run_.gather.finish();
    if (finished || agreed_.stop || save_due) save();
    if (finished && !agreed_.stop) return ExitCode::done;
    if (agreed_.stop) {
      log_.line(
          fmt::format("stopped on request after step {}; the same command goes on from there", state_.step));
      return ExitCode::saved;
    }
    step();
  }
}

bool TrainLoop::due(const Duration& every, const char* key) const {
  if (every.count == 0 || every.unit == Duration::Unit::seconds || state_.step == 0) return false;
  return state_.step % in_steps(every, run_.steps_per_epoch, key) == 0;
}

bool TrainLoop::evaluation_due() const {
  if (!run_.validation_data || state_.step == 0 || state_.evaluated_step == state_.step) return false;
  return state_.step == run_.total_steps || due(request_.config.evaluation.every, "evaluate.every");
}

bool TrainLoop::evaluate_now() {
  doing_ = fmt::format("evaluation after step {}", state_.step);
  const Config& config = request_.config;
  const auto begin = Clock::now();
  run_.gather.finish();
  const bool average = config.evaluation.weights == WeightsUsed::ema;
  if (average) run_.publish_weights(WeightsUsed::ema);
  const auto result = evaluate(*run_.model, run_.validation_data, evaluation_plan(config, run_.device),
                               run_.communicator, [&] { return stop_.received(); });
  if (average) run_.publish_weights();
  if (!result) return false;
  state_.evaluated_step = state_.step;
  if (metrics_) metrics_->append(to_json_line(state_.step, *result));
  log_.line(
      fmt::format("evaluation after step {}{}: top-1 {:.2f} %, top-5 {:.2f} %, loss {:.4f}, {} images in {}",
                  state_.step, average ? " (average of the weights)" : "", result->top1, result->top5,
                  result->loss, result->images, format_duration(seconds_since(begin))));
  return true;
}

Wishes TrainLoop::own_wishes() {
  const Duration& every = request_.config.checkpoint.every;
  const bool by_clock = every.unit == Duration::Unit::seconds && every.count > 0;
  const bool save =
      by_clock && run_.communicator.rank() == 0 && seconds_since(saved_) >= static_cast<double>(every.count);
  return {save, stop_.received()};
}

void TrainLoop::step() {
  doing_ = fmt::format("step {} (epoch {})", state_.step + 1, state_.step / run_.steps_per_epoch);
  const bool traced = state_.step + 1 == request_.config.log.trace_step;
  StepContext context = run_.context();
  if (traced) context.trace = trace_;
  const auto begin = Clock::now();
  const datasets::LoaderStats data_before = context.loader.stats();
  const double comm_before = run_.communicator.traffic().seconds_waited;
  const StepResult result = train_step(context, state_, own_wishes());
  agreed_ = result.agreed;
  record(result, seconds_since(begin), since(context.loader.stats(), data_before),
         run_.communicator.traffic().seconds_waited - comm_before);
  if (traced) write_trace(begin);
  if (agreed_.damage) settle_damage();
  compare_weights();
}

void TrainLoop::write_trace(Clock::time_point begin) {
  const auto events =
      sharding::gather_text(run_.communicator, trace_->events(run_.communicator.rank(), begin));
  const auto file = directory_.root / fmt::format("trace-step-{:08}.json", state_.step);
  if (run_.communicator.rank() != 0) return;
  try {
    write_text_atomically(file, trace_file(events));
    log_.line(fmt::format("wrote {}: open it in chrome://tracing or ui.perfetto.dev", file.string()));
  } catch (const Error& e) {  // a run is worth more than a picture of it
    log_.line(fmt::format("no trace of step {}: {}", state_.step, e.what()));
  }
}

void TrainLoop::compare_weights() {
  if (!due(request_.config.sharding.compare_every, "sharding.compare_every")) return;
  run_.gather.finish();
  check_same_weights(run_);
}

void TrainLoop::settle_damage() {
  for (const auto& [sample, why] : run_.share_damage()) {
    if (state_.damaged.emplace(sample, why).second) log_.line(fmt::format("replaced: {}", why));
  }
  sharding::agree(run_.communicator, [&] {
    if (run_.communicator.rank() != 0) return;  // all would say the same
    datasets::check_damage(state_.damaged, static_cast<std::uint64_t>(run_.train_data->size()),
                           run_.train_data->describe());
  });
}

void TrainLoop::record(const StepResult& result, double seconds, const datasets::LoaderStats& data,
                       double comm_wait) {
  if (!metrics_) return;
  owner_->check();
  const auto batch = request_.config.data.global_batch_size;
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
  m.memory_bytes = run_.device.is_cpu() ? resident_bytes() : peak_memory(run_.device);
  m.seconds = seconds;
  metrics_->append(to_json_line(m));
  say(m);
}

void TrainLoop::say(const StepMetrics& m) {
  const Duration& every = request_.config.log.every;
  const bool by_clock = every.unit == Duration::Unit::seconds && every.count > 0 &&
                        seconds_since(said_) >= static_cast<double>(every.count);
  const bool last = state_.step == run_.total_steps;
  if (!by_clock && !last && !due(every, "log.every")) return;
  said_ = Clock::now();
  const double per_step = seconds_since(began_) / static_cast<double>(state_.step - first_step_);
  log_.line(
      fmt::format("step {}/{} epoch {:.2f}: loss {:.4f}, lr {:.2e}, grad norm {:.3f}, {:.0f} images/s, "
                  "{}data wait {:.0f} %, comm {:.0f} %, {:.0f} MiB, ETA {}",
                  m.step, run_.total_steps, m.epoch, m.loss, m.lr, m.grad_norm, m.images_per_s,
                  m.mfu ? fmt::format("MFU {:.1f} %, ", 100 * *m.mfu) : "", 100 * m.data_wait / m.seconds,
                  100 * m.comm_exposed / m.seconds, static_cast<double>(m.memory_bytes) / (1 << 20),
                  format_duration(per_step * static_cast<double>(run_.total_steps - state_.step))));
}

void TrainLoop::save() {
  if (saved_state_.step == state_.step && saved_state_.evaluated_step == state_.evaluated_step) return;
  doing_ = fmt::format("saving after step {}", state_.step);
  const auto begin = Clock::now();
  CheckpointManifest manifest;
  sharding::agree(run_.communicator, [&] {
    if (metrics_) state_.metrics_bytes = metrics_->sync();
  });
  manifest.state = state_;
  manifest.lanes = request_.config.run.lanes;
  manifest.world = run_.communicator.size();
  manifest.type = run_.masters.type();
  manifest.data_fingerprint = run_.train_data->fingerprint();
  for (std::int64_t c = 0; c < run_.train_data->classes(); ++c) {
    manifest.classes.push_back(run_.train_data->class_name(c));
  }
  manifest.machine = machine_name(run_.device);
  manifest.writer = writer_;
  manifest.settings = request_.settings;
  for (const auto& spec : run_.model->parameters()) manifest.parameters.push_back({spec.name, spec.shape});
  const auto folder =
      save_checkpoint(directory_.checkpoints(), request_.config.checkpoint.keep_last, manifest, run_.masters,
                      run_.communicator, [&] { owner_->check(RunOwner::Look::now); });
  saved_state_ = state_;
  saved_ = Clock::now();
  log_.line(fmt::format("saved {} in {}", folder.string(), format_duration(seconds_since(begin))));
}

}  // namespace vitrail::trainer
