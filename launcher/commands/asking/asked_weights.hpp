// What `eval`, `predict`, `features` and `attention` have in common: the weights that they ask, and the one
// data set that they show them.
#pragma once

#include <string>
#include <vector>

#include "launcher/options/flag_table.hpp"

namespace vitrail::launcher {

struct AskedWeights {
  std::string checkpoint;  // empty: model.weights
  OutputFormat format = OutputFormat::text;
};

inline constexpr const char* kCheckpointsOwn =
    "With --checkpoint, settings that are not given are the checkpoint's, whatever default stands below.\n";

// The settings that they use, and `more`.
std::vector<std::string> settings_of_asking(const std::vector<std::string>& more);

template <class F>
void add_checkpoint(FlagTable<F>& flags) {
  flags.add("checkpoint", &F::checkpoint,
            {.help = "checkpoint whose weights are used", .placeholder = "DIR", .absent = "model.weights"});
}

// For commands that need no labels.
template <class F>
void add_images(FlagTable<F>& flags) {
  flags.alias(
      "data", "data.val",
      {.help =
           "images to look at: a pack's folder; folder:DIR (every image below it), wds:TARS or "
           "tensor:FILE.safetensors (labels are not needed), csv:LIST, flat:DIR,LABELS, inaturalist:JSON, "
           "idx:IMAGES,LABELS or synthetic:IMAGES,CLASSES,SIZE; short for data.val",
       .placeholder = "SOURCE",
       .required = true});
}

// A configuration may say what a run began from; beside the checkpoint to ask, a flag cannot.
template <class F>
void refuse_two_weights(CommandLine& line) {
  if (!line.own<F>().checkpoint.empty() && line.flags_given.contains("model.weights"))
    throw Error(ExitCode::usage,
                "command line: --checkpoint and --model.weights: weights from two places; leave one out");
}

template <class F>
void require_weights(const CommandLine& line, const char* what) {
  if (!line.own<F>().checkpoint.empty() || !line.config.model.weights.empty()) return;
  throw Error(ExitCode::usage,
              fmt::format("command line: `vitrail {}` needs the weights to {}: --checkpoint DIR or "
                          "--model.weights FILE",
                          line.command->name, what));
}

// What conditions look at: weights may come from --checkpoint, and data.val is all that is looked at.
template <class F>
trainer::Config config_of_asking(const CommandLine& line) {
  trainer::Config config = line.config;
  const std::string& checkpoint = line.own<F>().checkpoint;
  if (!checkpoint.empty()) config.model.weights = checkpoint;
  config.data.train = config.data.val;
  return config;
}

}  // namespace vitrail::launcher
