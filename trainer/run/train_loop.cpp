#include "trainer/run/train_loop.hpp"

#include <cmath>
#include <utility>

#include <c10/util/Exception.h>

#include "sharding/agreement/gather_text.hpp"
#include "trainer/base/text/progress.hpp"
#include "trainer/checkpoint/checkpoint_size.hpp"
#include "trainer/checkpoint/checkpoint_space.hpp"
#include "trainer/evaluation/evaluate.hpp"
#include "trainer/run/restore.hpp"
#include "trainer/run/run_agreement.hpp"

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

TrainLoop::TrainLoop(Assembly& run, TrainState state, const std::optional<Rollback>& rollback,
                     const TrainRequest& request, const RunDirectory& directory, const RunServices& services)
    : run_(run),
      state_(std::move(state)),
      request_(request),
      directory_(directory),
      owner_(services.owner),
      trace_(services.trace),
      phases_(services.phases),
      watchdog_(services.watchdog),
      log_(services.log),
      stop_(services.stop),
      guard_(services.guard),
      slow_ranks_(request.config.watchdog.slow),
      hosts_(sharding::gather_text(run.communicator, request.attempt.host)),
      first_step_(state_.step) {
  sharding::agree(run.communicator, [&] {
    if (run.communicator.rank() == 0) metrics_.emplace(directory.metrics(), state_.metrics_bytes);
  });
  if (rollback) append_metrics(to_json_line(*rollback));
  if (rollback) log_.line(describe(*rollback));
  saver_.emplace(run, run.lane_state, state_, request, directory, owner_, metrics_ ? &*metrics_ : nullptr,
                 hosts_, phases_, log_);
}

std::optional<ExitCode> TrainLoop::run() {
  try {
    return run_to_the_end();
  } catch (const sharding::AgreedError& e) {
    // All ranks are here, so the checkpoint under way is not lost.
    if (saver_) saver_->wait();
    throw sharding::AgreedError(e.in(doing_), e.rank());
  } catch (const Error& e) {
    throw e.in(doing_);
  } catch (const c10::Error& e) {
    throw Error(ExitCode::crash, e.what_without_backtrace()).in(doing_);
  }
}

std::optional<ExitCode> TrainLoop::run_to_the_end() {
  const bool finished_before = state_.step == run_.total_steps && !evaluation_due();
  if (finished_before) {
    log_.line(fmt::format("the run is finished: step {} of {}", state_.step, run_.total_steps));
    return ExitCode::done;
  }
  check_checkpoint_space(directory_.checkpoints(),
                         {saver_->bytes_of_rank(), most_checkpoints(request_.config)}, saver_->label(),
                         run_.communicator, log_);
  run_.start_loader(state_);
  for (;;) {
    if (!agreed_.stop && evaluation_due() && !evaluate_now()) agreed_.stop = true;
    const bool finished = state_.step == run_.total_steps;
    if (guard_.has_diverged() && !agreed_.stop) {
      saver_->wait();
      return std::nullopt;
    }
    doing_ = fmt::format("saving after step {}", state_.step);
    run_.communicator.limit_wait({});
    // Saved now, it would be what the run rolls back to once the loss has diverged.
    const bool is_bad = agreed_.stop && !finished && guard_.is_bad();
    if (is_bad) {
      saver_->wait();
    } else if (finished || agreed_.stop) {
      run_.gather.finish();
      saver_->save_at_end(state_, finished && !agreed_.stop);
    } else if ((agreed_.save || saver_->due(state_)) && !guard_.is_bad()) {
      saver_->save(state_);
    }
    if (finished && !agreed_.stop) return ExitCode::done;
    if (agreed_.stop) {
      log_.line(fmt::format(
          "stopped on request after step {}; the same command goes on from {}", state_.step,
          is_bad ? "the last checkpoint: the loss was bad, so this step was not saved" : "there"));
      return ExitCode::saved;
    }
    step();
  }
}

void TrainLoop::append_metrics(const std::string& line) {
  if (metrics_) metrics_->append(stamped(line, owner_->number()));
}

bool TrainLoop::due(const Duration& every, const char* key) const {
  return is_due(every, state_.step, run_.steps_per_epoch, key);
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
  run_.communicator.limit_wait({});
  phases_.enter(Phase::evaluate, state_.step);
  const bool average = config.evaluation.weights == WeightsUsed::ema;
  if (average) run_.publish_weights(WeightsUsed::ema);
  const auto result = evaluate(*run_.model, run_.validation_data, evaluation_options(config, run_.device),
                               run_.communicator, [&] {
                                 phases_.enter(Phase::evaluate, state_.step);
                                 return stop_.received() || time_is_up();
                               });
  if (average) run_.publish_weights();
  phases_.enter(Phase::none, state_.step);
  if (!result) return false;
  state_.evaluated_step = state_.step;
  if (is_best(*result)) agreed_.save = true;
  append_metrics(to_json_line(state_.step, *result));
  log_.line(
      fmt::format("evaluation after step {}{}: top-1 {:.2f} %, top-5 {:.2f} %, loss {:.4f}, {} images in {}",
                  state_.step, average ? " (average of the weights)" : "", result->top1, result->top5,
                  result->loss, result->images, format_duration(seconds_since(begin))));
  return true;
}

bool TrainLoop::is_best(const EvaluationMetrics& result) {
  const BestBy by = request_.config.checkpoint.keep_best;
  if (by == BestBy::none) return false;
  const double value = by == BestBy::top1 ? result.top1 : result.loss;
  const bool better =
      !state_.best || (by == BestBy::top1 ? value > state_.best->value : value < state_.best->value);
  if (!better || !std::isfinite(value)) return false;
  state_.best = {value, state_.step};
  return true;
}

StepSignals TrainLoop::own_signals() {
  return {.save = saver_->wished(),
          .stop = stop_.received() || time_is_up(),
          .checkpoint_written = saver_->checkpoint_written()};
}

bool TrainLoop::time_is_up() const {
  if (!request_.job_ends || request_.config.run.stop_before.count == 0) return false;
  const std::chrono::duration<double> needed(static_cast<double>(request_.config.run.stop_before.count) +
                                             step_seconds_ + 2 * saver_->seconds_of_last());
  return Clock::now() + needed >= *request_.job_ends;
}

void TrainLoop::step() {
  doing_ = fmt::format("step {} (epoch {})", state_.step + 1, state_.step / run_.steps_per_epoch);
  run_.communicator.limit_wait(watchdog_.longest_wait());
  const bool traced = state_.step + 1 == request_.config.log.trace_step;
  StepContext context = run_.context(phases_);
  if (traced) context.trace = trace_;
  const auto begin = Clock::now();
  const datasets::LoaderStats data_before = context.loader.stats();
  const double comm_before = run_.communicator.traffic().seconds_waited;
  const StepResult result = train_step(context, state_, own_signals(), work_);
  agreed_ = result.agreed;
  const auto data = since(context.loader.stats(), data_before);
  const double comm_wait = run_.communicator.traffic().seconds_waited - comm_before;
  step_seconds_ = seconds_since(begin);
  watchdog_.step_took(Clock::now() - begin);
  const auto lanes = static_cast<double>(run_.gradients.layout().lanes.count());
  work_ = {data.seconds_waited / lanes, (step_seconds_ - data.seconds_waited - comm_wait) / lanes};
  phases_.enter(Phase::record, state_.step);
  guard_.look_at(result.loss, result.grad_norm);
  record(result, step_seconds_, data, comm_wait);
  name_slow_ranks(result.work);
  if (traced) write_trace(begin);
  if (agreed_.damage) settle_damage();
  compare_weights();
  doing_ = fmt::format("saving while step {} was over", state_.step);
  if (agreed_.checkpoint_written) saver_->advance();
  phases_.enter(Phase::none, state_.step);
}

void TrainLoop::name_slow_ranks(const std::vector<OwnWork>& work) {
  for (const SlowRank& slow : slow_ranks_.add(work)) {
    log_.line(
        fmt::format("rank {} on {} is slow: {:.2f} times the other ranks' median over the last {} steps, "
                    "in {}",
                    slow.rank, hosts_.at(static_cast<std::size_t>(slow.rank)), slow.factor,
                    2 * SlowRanks::kWindow, slow.by_data ? "waiting for data" : "computing"));
  }
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
  m.memory_bytes = run_.device.is_cpu() ? resident_bytes() : run_.most_memory();
  m.seconds = seconds;
  append_metrics(to_json_line(m));
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

}  // namespace vitrail::trainer
