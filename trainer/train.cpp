#include "trainer/train.hpp"

#include <optional>

#include "sharding/communication_queue.hpp"
#include "sharding/gather_text.hpp"
#include "trainer/assembly.hpp"
#include "trainer/checkpoint_folder.hpp"
#include "trainer/compute_device.hpp"
#include "trainer/rehearsal.hpp"
#include "trainer/restore.hpp"
#include "trainer/run_agreement.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/train_loop.hpp"

namespace vitrail::trainer {

ExitCode train(const TrainRequest& request, sharding::Communicator& ranks, Log& log, StopSignal& stop) {
  check_same_program(ranks, request.settings);
  ComputeDevice device(request.config, ranks);
  const auto over_device = device.communicator(request.config.sharding, ranks);
  sharding::Communicator& all = over_device ? *over_device : ranks;
  std::optional<StepTrace> trace;
  std::optional<TracedCommunicator> traced;
  if (request.config.log.trace_step > 0) traced.emplace(all, trace.emplace());
  sharding::Communicator& calls = traced ? *traced : all;
  std::optional<sharding::CommunicationQueue> queue;
  if (request.config.sharding.overlap && ranks.size() > 1) queue.emplace(calls);
  sharding::Communicator& communicator = queue ? *queue : calls;
  const RunDirectory directory = run_directory(request.config.run);
  std::optional<RunOwner> owner;  // rank 0
  sharding::agree(communicator, [&] {
    if (communicator.rank() != 0) return;
    prepare(directory);
    const OwnerWait wait{[&](const std::string& text) { log.line(text); }, [&] { return stop.received(); }};
    owner.emplace(directory.owners(), request.attempt, wait);
    remove_leftovers(
        directory.checkpoints());  // of an attempt that was killed: the next save needs the space
    log.open(directory.log());
  });

  Assembly run(request.config, communicator, device);
  check_same_plan(run, log);
  run.say_what_it_is(log);
  TrainState state;
  if (const auto restored = restore(run, directory, request.settings, request.defaults, log)) {
    state = *restored;
  } else {
    run.initialise_weights(log);
    state.loss_scale.scale = loss_scale_rule(request.config.precision).initial;
  }
  check_same_weights(run);
  if (state.step > run.total_steps) {
    throw Error(
        ExitCode::refused,
        fmt::format("the checkpoint is at step {}, the run ends at step {}", state.step, run.total_steps),
        "raise run.steps or run.epochs");
  }
  sharding::agree(communicator, [&] {
    if (communicator.rank() == 0) write_text_atomically(directory.config(), request.config_text);
  });
  if (request.config.run.rehearsal && state.step < run.total_steps) {
    log.line(fmt::format("rehearsed the largest lane batch: {:.0f} MiB of memory at most so far",
                         static_cast<double>(rehearse(run)) / (1 << 20)));
  }
  return TrainLoop(run, state, request, directory, owner ? &*owner : nullptr, trace ? &*trace : nullptr, log,
                   stop)
      .run();
}

}  // namespace vitrail::trainer
