#include "trainer/run/train.hpp"

#include <optional>
#include <set>
#include <utility>

#include "sharding/agreement/gather_text.hpp"
#include "sharding/comm/communication_queue.hpp"
#include "trainer/assembly.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/finished_run.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/run/memory_probe.hpp"
#include "trainer/run/restore.hpp"
#include "trainer/run/run_agreement.hpp"
#include "trainer/run/run_warnings.hpp"
#include "trainer/run/train_loop.hpp"
#include "trainer/settings/settings.hpp"
#include "trainer/watch/watched_communicator.hpp"

namespace vitrail::trainer {

namespace {

constexpr int kMostTimesBack = 3;  // to one checkpoint

// A run that has reached its end goes on only if a longer one is asked for by name: not because another file
// was given, or the same one was edited for the next run.
void check_planned_end(const TrainState& state, const Assembly& run, const TrainRequest& request,
                       const RunDirectory& directory) {
  const auto finished = read_finished(directory);
  if (!finished || (state.step == finished->step && state.step == run.total_steps)) return;
  if (state.step == finished->step && state.step < run.total_steps && !request.length_named) {
    throw Error(ExitCode::refused,
                fmt::format("{} holds a run that finished at step {}; the settings now end at step {}",
                            directory.root.string(), finished->step, run.total_steps),
                "to train it longer, name the length on the command line (--run.steps or --run.epochs); "
                "another run needs another run.name or run.dir");
  }
  remove_finished(directory);
}

// The proof of success that `launch` asks for.
void record_end(std::int64_t step, const TrainRequest& request, const RunDirectory& directory,
                const RunOwner* owner, sharding::Communicator& communicator) {
  sharding::agree(communicator, [&] {
    if (owner == nullptr) return;
    owner->check(RunOwner::Look::now);
    write_finished(directory, {step, request.launch, request.attempt.label()});
  });
}

TrainState restored_or_new(Assembly& run, const TrainRequest& request, const RunDirectory& directory,
                           PhaseLog& phases, Log& log) {
  phases.enter(Phase::load, 0);
  TrainState state;
  if (const auto restored = restore(run, directory, request, log)) {
    state = *restored;
  } else {
    const std::string taken = run.initialise_weights(log);
    run.optimizer.set_steps(0);
    state.task = run.task->initial_state();
    sharding::agree(run.communicator, [&] {
      if (run.communicator.rank() == 0 && !taken.empty()) write_text_atomically(directory.weights(), taken);
    });
    state.loss_scale.scale = loss_scale_rule(request.config.precision).initial;
  }
  check_same_weights(run);
  if (state.step > run.total_steps) {  // before anything of the run is touched: it stays finished
    throw Error(
        ExitCode::refused,
        fmt::format("the checkpoint is at step {}, the run ends at step {}", state.step, run.total_steps),
        "raise run.steps or run.epochs");
  }
  sharding::agree(run.communicator, [&] {
    if (run.communicator.rank() == 0) check_planned_end(state, run, request, directory);
  });
  // What this run saves from now on is its own.
  if (run.config.checkpoint.resume == "never") run.config.checkpoint.resume = "auto";
  phases.enter(Phase::start, 0);
  return state;
}

Event beginning(const TrainState& state, const Assembly& run, const RunServices& services) {
  const std::set<std::string> nodes(services.hosts.begin(), services.hosts.end());
  const std::string attempt =
      services.owner == nullptr ? "" : fmt::format("attempt {} ", services.owner->number());
  const auto world = static_cast<std::int64_t>(services.hosts.size());
  const auto count = static_cast<std::int64_t>(nodes.size());
  return {"begin",
          state.step,
          fmt::format("{}begins after step {} of {}: {} rank{} on {} node{}", attempt, state.step,
                      run.total_steps, world, world == 1 ? "" : "s", count, count == 1 ? "" : "s"),
          {{"world", world}, {"nodes", count}, {"planned_steps", run.total_steps}}};
}

// After going back from `before` to `state`: the batches in between are not taken again, nor are `more`.
Rollback skip_batches(const TrainState& before, std::int64_t more, TrainState& state) {
  const std::int64_t batches = before.next_batch() - state.next_batch() + more;
  state.skipped_batches.push_back({state.step, batches});
  return {before.step, state.step, batches};
}

Error diverged_for_good(std::int64_t step) {
  return {ExitCode::diverged,
          fmt::format("training diverged: the loss ran away after going back {} times to step {}",
                      kMostTimesBack, step),
          "lower optimizer.lr, lengthen schedule.warmup or set optimizer.clip_norm, and begin a new run"};
}

// On rank 0.
std::optional<MetricsLogger> open_metrics(const Assembly& run, const TrainState& state,
                                          const RunServices& services) {
  std::optional<MetricsLogger> metrics;
  sharding::agree(run.communicator, [&] {
    if (services.owner == nullptr) return;
    metrics.emplace(services.directory, state.metrics_bytes, *services.owner, services.log,
                    services.request.config.log.every,
                    MetricsLogger::Length{run.total_steps, run.steps_per_epoch, state.step});
  });
  return metrics;
}

// To the planned end, or until asked to stop; a loss that diverges sends the run back to its last checkpoint.
ExitCode train_and_roll_back(Assembly& run, TrainState state, const RunServices& services) {
  std::optional<Rollback> rollback;
  for (int times = 0;; ++times) {
    std::optional<MetricsLogger> metrics = open_metrics(run, state, services);
    if (rollback && metrics) metrics->append(to_json_line(*rollback));
    if (rollback) services.log.event({"rollback", rollback->from, describe(*rollback)});
    TrainLoop loop(run, state, services, metrics ? &*metrics : nullptr);
    if (const auto end = loop.run()) return *end;
    const TrainState before = loop.state();
    state = restored_or_new(run, services.request, services.directory, services.phases, services.log);
    const bool again = rollback && rollback->to == state.step;
    if (!again) times = 0;
    if (times == kMostTimesBack) throw diverged_for_good(state.step);
    services.guard.begin_again();
    rollback = skip_batches(before, services.request.config.guard.skip, state);
  }
}

}  // namespace

ExitCode train(const TrainRequest& request, sharding::Communicator& ranks, Log& log, StopSignal& stop) {
  PhaseLog phases(ranks.rank(), parse_fault(request.config.run.fault));
  phases.enter(Phase::start, 0);
  Watchdog watchdog(phases, request.config.watchdog,
                    fmt::format("rank {} on {}", ranks.rank(), request.attempt.host), request.hung);
  check_same_program(ranks, request);
  ComputeDevice device(request.config, ranks, request.gpus);
  const auto over_device = device.communicator(request.config.sharding, ranks);
  sharding::Communicator& all = over_device ? *over_device : ranks;
  std::optional<StepTrace> trace;
  std::optional<TracedCommunicator> traced;
  if (request.config.log.trace_step > 0) traced.emplace(all, trace.emplace());
  sharding::Communicator& calls = traced ? *traced : all;
  std::optional<sharding::CommunicationQueue> queue;
  if (request.config.sharding.overlap && ranks.size() > 1) queue.emplace(calls);
  WatchedCommunicator communicator(queue ? *queue : calls, phases);
  const RunDirectory directory = run_directory(request.config.run);
  std::optional<RunOwner> owner;  // rank 0
  sharding::agree(communicator, [&] {
    if (communicator.rank() != 0) return;
    prepare(directory);
    const OwnerWait wait{[&](const std::string& text) { log.line(text); }, [&] { return stop.received(); }};
    owner.emplace(directory.owners(), request.attempt, wait);
    remove_leftovers(
        directory.checkpoints());  // of an attempt that was killed: the next save needs the space
  });
  log.open(directory.log(), directory.events(), owner ? owner->number() : 0);

  log.line(device.describe(communicator));
  for (const std::string& words : run_warnings(request.config, communicator)) log.line("warning: " + words);
  Assembly run(request.config, communicator, device);
  for (const auto& data : {run.train_data, run.validation_data}) {
    if (!data) continue;
    for (const std::string& words : data->warnings()) log.line("warning: " + words);
  }
  check_same_plan(run, log);
  run.say_what_it_is(log);
  TrainState state = restored_or_new(run, request, directory, phases, log);
  sharding::agree(communicator, [&] {
    if (communicator.rank() == 0) write_text_atomically(directory.config(), config_text(request.config));
  });
  if (request.config.run.memory_probe && state.step < run.total_steps) {
    log.line(fmt::format("memory check passed (largest micro-batch, forward and backward): peak {:.0f} MiB",
                         static_cast<double>(probe_memory(run)) / (1 << 20)));
  }
  LossGuard guard(request.config.guard);
  const RunServices services{request,
                             directory,
                             owner ? &*owner : nullptr,
                             trace ? &*trace : nullptr,
                             phases,
                             watchdog,
                             log,
                             stop,
                             guard,
                             sharding::gather_text(communicator, request.attempt.host),
                             sharding::gather_text(communicator, request.attempt.label()).front()};
  log.event(beginning(state, run, services));
  const ExitCode end = train_and_roll_back(run, std::move(state), services);
  if (end == ExitCode::done) record_end(run.total_steps, request, directory, services.owner, communicator);
  return end;
}

}  // namespace vitrail::trainer
