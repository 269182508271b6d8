#include "launcher/options/command_sets.hpp"
#include "launcher/options/option_checks.hpp"
#include "launcher/options/options.hpp"

namespace vitrail::launcher {
namespace {

using namespace trainer;

bool is_given(const std::string& text) { return !text.empty(); }
bool is_positive_time(const Duration& duration) { return is_time(duration) && duration.count > 0; }
bool is_by_counting(const Duration& duration) { return duration.count == 0 || !is_time(duration); }

Condition with_guard() {
  return {"guard.loss_factor", "a guard.loss_factor above 0",
          [](const CommandLine& line) { return line.config.guard.loss_factor > 0; }};
}

void add_checkpoint_settings(std::vector<Option>& table) {
  const Section checkpoint(
      table, "checkpoint", kTraining, [](auto& line) -> auto& { return line.config.checkpoint; });
  checkpoint.add("every", &CheckpointConfig::every,
                 {.help = "time between checkpoints; 0st: only at the end"});
  checkpoint.add("keep_last", &CheckpointConfig::keep_last,
                 {.help = "checkpoints to keep; never fewer than two whole ones",
                  .bounds = from_to(2, 1e6),
                  .unit = "checkpoints"});
  checkpoint.add(
      "resume", &CheckpointConfig::resume,
      {.help =
           "resume from the run's latest checkpoint if there is one, start anew, or start from the given one",
       .placeholder = "auto|never|DIR"},
      {"auto, never or a checkpoint's folder", is_given});
  checkpoint.add("keep_every", &CheckpointConfig::keep_every,
                 {.help = "checkpoints at multiples of this are kept for good; 0st: none"},
                 {"a length in epochs or steps: 5ep, 1000st", is_by_counting});
  checkpoint.choice("keep_best", &CheckpointConfig::keep_best,
                    {{BestBy::none, "none"}, {BestBy::top1, "top1"}, {BestBy::loss, "loss"}},
                    {.help = "save after each evaluation that is the best so far, and keep that one: link "
                             "`best` beside `latest`",
                     .when = {with_validation()}});
  checkpoint.add("retry", &CheckpointConfig::retry,
                 {.help = "training goes on where a checkpoint cannot be written; the next try comes that "
                          "much later"},
                 {"a time above 0: 30s, 10min, 2h", is_positive_time});
}

void add_guard_settings(std::vector<Option>& table) {
  const Section guard(
      table, "guard", kTraining, [](auto& line) -> auto& { return line.config.guard; });
  guard.add("loss_factor", &GuardConfig::loss_factor,
            {.help = "a step is bad where its loss is above that many times the median of the last 100, or "
                     "not finite; 0: no step is",
             .bounds = from_to(0, 1e6)});
  guard.add("patience", &GuardConfig::patience,
            {.help = "after so many bad steps in a row the run goes back to its last checkpoint and leaves "
                     "the batches since then out",
             .bounds = from_to(1, 1e6),
             .unit = "steps",
             .when = {with_guard()}});
  guard.add("skip", &GuardConfig::skip,
            {.help = "further batches to skip after going back",
             .bounds = from_to(0, 1e9),
             .unit = "batches",
             .when = {with_guard()}});
}

void add_watchdog_settings(std::vector<Option>& table) {
  const Section watchdog(
      table, "watchdog", kTraining, [](auto& line) -> auto& { return line.config.watchdog; });
  watchdog.add(
      "step", &WatchdogConfig::step,
      {.help = "longest stay of a rank in one phase of a step, or ten times the median step; then it "
               "shows its stacks and ends (exit status 86); 0s: no limit"},
      {"a time: 30s, 10min, 2h", is_time});
  watchdog.add("other", &WatchdogConfig::other,
               {.help = "the same for start, first step, loading, saving and evaluation"},
               {"a time: 30s, 10min, 2h", is_time});
  watchdog.add(
      "slow", &WatchdogConfig::slow,
      {.help = "a rank is named where its own work takes that many times the others' median; 0: none "
               "is",
       .bounds = from_to(0, 1000)});
}

}  // namespace

void add_recovery_settings(std::vector<Option>& table) {
  add_checkpoint_settings(table);
  add_guard_settings(table);
  add_watchdog_settings(table);
}

}  // namespace vitrail::launcher
