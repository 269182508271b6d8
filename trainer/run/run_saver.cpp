#include "trainer/run/run_saver.hpp"

#include <algorithm>
#include <thread>

#include "trainer/base/text/progress.hpp"
#include "trainer/base/text/wall_time.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/schedule.hpp"
#include "trainer/settings/settings.hpp"
#include "trainer/tasks/same_classes.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::int64_t kLoudAfter = 3;  // failures in a row

KeepRule keep_rule(const CheckpointConfig& config, std::int64_t steps_per_epoch) {
  return {config.keep_last, in_steps(config.keep_every, steps_per_epoch, "checkpoint.keep_every")};
}

// In their order.
std::vector<std::string> distinct(const std::vector<std::string>& names) {
  std::vector<std::string> once;
  for (const std::string& name : names) {
    if (std::ranges::find(once, name) == once.end()) once.push_back(name);
  }
  return once;
}

}  // namespace

RunSaver::RunSaver(Assembly& run, const TrainState& state, const RunServices& services, MetricsFile* metrics)
    : run_(run),
      services_(services),
      hosts_(distinct(services.hosts)),
      metrics_(metrics),
      writer_(
          services.directory.checkpoints(), keep_rule(run.config.checkpoint, run.steps_per_epoch),
          stored_parameters(run.specs), run.lane_state, run.gradients.layout().own, state.task,
          run.communicator,
          [owner = services.owner, metrics](const CheckpointManifest& manifest) {
            metrics->sync(manifest.state.metrics_bytes);
            owner->check(RunOwner::Look::now);
          },
          &services.phases, run.rows ? &*run.rows : nullptr),
      saved_(state),
      under_way_(state) {}

bool RunSaver::wished() const {
  if (run_.communicator.rank() != 0 || writer_.busy()) return false;
  const CheckpointConfig& config = run_.config.checkpoint;
  const auto now = Clock::now();
  if (failures_ > 0) return now - tried_ >= std::chrono::seconds(config.retry.count);
  const bool by_clock = config.every.unit == Duration::Unit::seconds && config.every.count > 0;
  return by_clock && now - saved_at_ >= std::chrono::seconds(config.every.count);
}

bool RunSaver::due(const TrainState& state) const {
  if (failures_ > 0) return false;  // then the clock says when
  return is_due(run_.config.checkpoint.every, state.step, run_.steps_per_epoch, "checkpoint.every");
}

bool RunSaver::is_saved(const TrainState& state) const {
  return saved_.step == state.step && saved_.evaluated_step == state.evaluated_step;
}

CheckpointManifest RunSaver::manifest_of(const TrainState& state) const {
  CheckpointManifest manifest;
  manifest.state = state;
  if (metrics_ != nullptr) manifest.state.metrics_bytes = metrics_->length();
  manifest.planned_steps = run_.total_steps;
  manifest.lanes = run_.config.run.lanes;
  manifest.world = run_.communicator.size();
  manifest.type = run_.lane_state.type();
  manifest.data_fingerprint = run_.train_data->fingerprint();
  for (std::int64_t c = 0; c < run_.train_data->classes(); ++c) {
    manifest.classes.push_back(run_.train_data->class_name(c));
  }
  manifest.class_ids = class_ids(*run_.train_data);
  manifest.machine = machine_name(run_.device);
  manifest.writer = services_.writer;
  manifest.program = services_.request.program;
  if (services_.owner != nullptr) manifest.program["attempt"] = std::to_string(services_.owner->number());
  manifest.program["time"] = utc_time();
  manifest.hosts = hosts_;
  manifest.settings = settings_of(services_.request.config);
  return manifest;
}

void RunSaver::save(const TrainState& state) {
  const auto asked = Clock::now();
  wait();
  if (is_saved(state)) return;
  if (metrics_ != nullptr) metrics_->retry();
  tried_ = began_ = Clock::now();
  under_way_ = state;
  writer_.begin(manifest_of(state));
  seconds_waited_ = std::chrono::duration<double>(Clock::now() - asked).count();
}

void RunSaver::advance() {
  const auto outcome = writer_.advance();
  if (outcome != CheckpointWriter::Outcome::under_way) settle(outcome);
}

void RunSaver::wait() {
  if (writer_.busy()) settle(writer_.finish());
}

void RunSaver::settle(CheckpointWriter::Outcome outcome) {
  seconds_of_last_ = std::chrono::duration<double>(Clock::now() - began_).count();
  if (outcome == CheckpointWriter::Outcome::committed) {
    if (failures_ > 0) services_.log.line(fmt::format("saving works again, after {} failures", failures_));
    failures_ = 0;
    saved_ = under_way_;
    saved_at_ = Clock::now();
    services_.log.event(
        {"saved", saved_.step,
         fmt::format("saved {} in {} (training waited {:.3f} s)", writer_.checkpoint().string(),
                     format_duration(seconds_of_last_), seconds_waited_)});
    return;
  }
  const sharding::AgreedError& failure = writer_.failure();
  if (failure.code() != ExitCode::io) throw sharding::AgreedError(failure);
  ++failures_;
  services_.log.event(
      {"save_failed", under_way_.step,
       fmt::format("{}step {} could not be saved (failure {} in a row): rank {}: {}; training goes on, the "
                   "next try comes in {} s",
                   failures_ >= kLoudAfter ? "WARNING, " : "", under_way_.step, failures_, failure.rank(),
                   failure.what(), run_.config.checkpoint.retry.count)});
  if (failures_ >= kLoudAfter) {
    services_.log.line(
        fmt::format("WARNING, all since step {} ({}) would be lost if this run ended now", saved_.step,
                    format_duration(std::chrono::duration<double>(Clock::now() - saved_at_).count())));
  }
}

void RunSaver::save_at_end(const TrainState& state, bool may_wait) {
  constexpr int kTries = 3;
  for (int tries = 1;; ++tries) {
    save(state);
    wait();
    if (is_saved(state)) return;
    if (tries == kTries) throw sharding::AgreedError(writer_.failure());
    if (may_wait) std::this_thread::sleep_for(std::chrono::seconds(run_.config.checkpoint.retry.count));
  }
}

}  // namespace vitrail::trainer
