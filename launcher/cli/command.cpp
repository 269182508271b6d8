#include "launcher/cli/command.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "launcher/options/option_synonyms.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {
namespace {

constexpr std::size_t kManyPaths = 10'000;  // and the action before them

constexpr std::array<CommandInfo, 15> kCommands = {{
    {Command::pack, "pack", "--source SPEC --output DIR [options]",
     "turn archives, folders or IDX files of images into a pack: HDF5 shards for training",
     "vitrail pack --source folder:photos --output packs/photos"},
    {Command::verify, "verify", "PACK [options]", "read a pack in full and check every byte of it",
     "vitrail verify packs/photos --decode", 1, 1},
    {Command::info, "info", "PACK [options]", "what a pack holds: images, classes, shards, bytes",
     "vitrail info packs/photos --format json", 1, 1},
    {Command::preview, "preview", "--data SOURCE --output FILE [--config FILE ...] [--section.key VALUE ...]",
     "what a model will see of the first images, and every number that was drawn for it",
     "vitrail preview --data packs/photos --output grid.jpg --augment.three_augment true"},
    {Command::launch, "launch", "[-n RANKS] [--config FILE ...] [--section.key VALUE ...]",
     "start train on many ranks, here or in a Slurm job, and report how they ended",
     "vitrail launch -n 2 --config configs/quickstart.cfg"},
    {Command::train, "train", "[--config FILE ...] [--section.key VALUE ...]",
     "train a model in this process: one rank of launch, or world size 1",
     "vitrail train --config configs/quickstart.cfg --run.steps 20"},
    {Command::eval, "eval", "--data SOURCE [--checkpoint DIR] [--config FILE ...] [--section.key VALUE ...]",
     "exact top-1, top-5 and loss of a checkpoint or of a safetensors file",
     "vitrail eval --checkpoint runs/quickstart/checkpoints/latest --data packs/photos-test"},
    {Command::predict, "predict",
     "--data SOURCE [--checkpoint DIR] [--output FILE] [--section.key VALUE ...]",
     "logits or likeliest classes of images in a pack, a folder or a tensor file",
     "vitrail predict --checkpoint runs/quickstart/checkpoints/latest --data folder:photos"},
    {Command::models, "models", "[--model NAME] [options]",
     "the models: parameters, multiply-accumulates, tokens, activation bytes",
     "vitrail models --model vit_b16 --model.image_size 384"},
    {Command::export_weights, "export", "--checkpoint DIR --output FILE",
     "write a checkpoint's weights as safetensors under timm's tensor names",
     "vitrail export --checkpoint runs/quickstart/checkpoints/latest --output model.safetensors"},
    {Command::import_weights, "import", "--model.name NAME --model.weights FILE --output DIR",
     "read safetensors under timm's tensor names into a checkpoint",
     "vitrail import --model.name vit_b16 --model.weights vit_b16.safetensors --output imported"},
    {Command::checkpoint, "checkpoint", "list|verify|hash|compare PATH [PATH ...] [options]",
     "list the checkpoints of a run; verify, hash or compare them",
     "vitrail checkpoint hash runs/quickstart/checkpoints/latest --part weights", 2, kManyPaths},
    {Command::plan, "plan", "[--gpu NAME] [-n RANKS] [--config FILE ...] [--section.key VALUE ...]",
     "estimates for a cluster: memory, time, communication, checkpoints and the limit",
     "vitrail plan --config configs/vit_h_21k.cfg --gpu h100 -n 32 --images 14197122"},
    {Command::bench, "bench", "data --data SOURCE [--config FILE ...] [--section.key VALUE ...]",
     "how fast this machine makes batches, and how many cores a device would need",
     "vitrail bench data --data packs/photos --model.name vit_b16 --images-per-s 1200", 1, 1},
    {Command::sweep, "sweep", "plan|run|submit|status|folder GRID [--config FILE ...] [options of launch]",
     "runs that differ by a few settings, here or as a Slurm array, and a table of them",
     "vitrail sweep run rates.ini --config configs/quickstart.cfg --at-once 2", 2, 2},
}};

}  // namespace

std::span<const CommandInfo> commands() { return kCommands; }

const CommandInfo& info_of(Command command) {
  return *std::find_if(kCommands.begin(), kCommands.end(),
                       [&](const CommandInfo& info) { return info.command == command; });
}

Command command_named(const std::string& name) {
  std::vector<std::string> names;
  for (const CommandInfo& info : kCommands) {
    if (info.name == name) return info.command;
    names.emplace_back(info.name);
  }
  const std::string meant = meant_command(name, names);
  throw Error(ExitCode::usage, fmt::format("command line: unknown command {}{} (vitrail --help lists them)",
                                           name, meant.empty() ? "" : "; nearest known command: " + meant));
}

}  // namespace vitrail::launcher
