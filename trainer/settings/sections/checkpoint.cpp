#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

bool is_given(const std::string& text) { return !text.empty(); }

bool is_positive_time(const Duration& duration) { return is_time(duration) && duration.count > 0; }

bool is_by_counting(const Duration& duration) { return duration.count == 0 || !is_time(duration); }

}  // namespace

void add_checkpoint_settings(std::vector<Setting>& table) {
  const Section checkpoint(
      table, "checkpoint", [](auto& config) -> auto& { return config.checkpoint; });
  checkpoint.add("every", &CheckpointConfig::every, Effect::place,
                 {.help = "time between checkpoints; 0st: only at the end"});
  checkpoint.add("keep_last", &CheckpointConfig::keep_last, Effect::place,
                 {.help = "checkpoints to keep; never fewer than two whole ones",
                  .bounds = from_to(2, 1e6),
                  .unit = "checkpoints"});
  checkpoint.add(
      "resume", &CheckpointConfig::resume, Effect::place,
      {.help =
           "resume from the run's latest checkpoint if there is one, start anew, or start from the given one",
       .placeholder = "auto|never|DIR"},
      {"auto, never or a checkpoint's folder", is_given});
  checkpoint.add("keep_every", &CheckpointConfig::keep_every, Effect::place,
                 {.help = "checkpoints at multiples of this are kept for good; 0st: none"},
                 {"a length in epochs or steps: 5ep, 1000st", is_by_counting});
  checkpoint.choice("keep_best", &CheckpointConfig::keep_best,
                    {{BestBy::none, "none"}, {BestBy::top1, "top1"}, {BestBy::loss, "loss"}}, Effect::place,
                    {.help = "save after each evaluation that is the best so far, and keep that one: link "
                             "`best` beside `latest`",
                     .when = {with_validation()}});
  checkpoint.add("retry", &CheckpointConfig::retry, Effect::place,
                 {.help = "training goes on where a checkpoint cannot be written; the next try comes that "
                          "much later"},
                 {"a time above 0: 30s, 10min, 2h", is_positive_time});
}

}  // namespace vitrail::trainer
