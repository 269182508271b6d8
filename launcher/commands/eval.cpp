#include "launcher/commands/asking/asked_weights.hpp"
#include "trainer/settings/validate.hpp"
#ifdef VITRAIL_TORCH
#include "launcher/commands/asking/evaluation_listing.hpp"
#include "launcher/ranks/world.hpp"
#include "trainer/evaluation/evaluate_weights.hpp"
#endif

namespace vitrail::launcher {
namespace {

struct EvalFlags : AskedWeights {};

std::vector<Option> eval_options() {
  FlagTable<EvalFlags> flags;
  add_checkpoint(flags);
  flags.alias(
      "data", "data.val",
      {.help = "images to evaluate on; short for data.val", .placeholder = "SOURCE", .required = true});
  flags.config_files();
  flags.format(&EvalFlags::format);
  return flags.done();
}

#ifdef VITRAIL_TORCH
ExitCode run_eval(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<EvalFlags>();
  World world(environment, line.config.sharding);
  return world.run("evaluation", [&] {
    const auto say = [](const std::string& text) { fmt::print(stderr, "{}\n", text); };
    const auto result = trainer::evaluate_weights(line.config, {flags.checkpoint, say, environment.gpus},
                                                  world.communicator());
    if (world.communicator().rank() != 0) return ExitCode::done;
    if (flags.format == OutputFormat::json) {
      fmt::print("{}\n", evaluation_json(result));
    } else {
      fmt::print("{}", evaluation_text(result));
    }
    return ExitCode::done;
  });
}
#else
ExitCode run_eval(const CommandLine& line, const Environment& environment) {
  return built_without_torch(line, environment);
}
#endif

}  // namespace

Command eval_command() {
  return {
      .name = "eval",
      .usage = "--data SOURCE [--checkpoint DIR] [--config FILE ...] [--section.key VALUE ...]",
      .summary = "exact top-1, top-5 and loss of a checkpoint or of a safetensors file",
      .example = "vitrail eval --checkpoint runs/quickstart/checkpoints/latest --data packs/photos-test",
      .note = kCheckpointsOwn,
      .uses = these_settings(settings_of_asking(
          {"task.name", "data.coarse", "run.lanes", "sharding.timeout", "evaluate.real_labels",
           "evaluate.per_class", "evaluate.protocol", "evaluate.known", "evaluate.neighbours",
           "evaluate.cross_validated", "evaluate.retrieval", "evaluate.temperature", "evaluate.features"})),
      .flags = EvalFlags(),
      .options = eval_options(),
      .stored = Stored::checkpoint,
      .take = refuse_two_weights<EvalFlags>,
      .config_in_use = config_of_asking<EvalFlags>,
      .check =
          [](const CommandLine& line) {
            trainer::validate_evaluation(line.config);
            require_weights<EvalFlags>(line, "evaluate");
          },
      .by_many = true,
      .run = run_eval};
}

}  // namespace vitrail::launcher
