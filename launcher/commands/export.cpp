#include "launcher/options/flag_table.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/weights/export_weights.hpp"
#include "trainer/weights/weights_origin.hpp"

namespace vitrail::launcher {
namespace {

struct ExportFlags {
  std::string checkpoint, output;
  bool ema = false;
};

std::vector<Option> export_options() {
  FlagTable<ExportFlags> flags;
  flags.add("checkpoint", &ExportFlags::checkpoint,
            {.help = "checkpoint whose weights are written", .placeholder = "DIR", .required = true});
  flags.add("ema", &ExportFlags::ema, {.help = "the average of the weights (ema.decay) instead"});
  flags.add("output", &ExportFlags::output,
            {.help = "safetensors file to write", .placeholder = "FILE", .required = true});
  return flags.done();
}

ExitCode run_export(const CommandLine& line, const Environment&) {
  const auto& flags = line.own<ExportFlags>();
  trainer::CheckpointReader checkpoint(trainer::find_checkpoint(flags.checkpoint));
  checkpoint.verify();
  const std::string note = trainer::unfinished_note(checkpoint.folder());
  if (!note.empty()) fmt::print(stderr, "{}\n", note);
  trainer::export_weights(checkpoint, flags.ema ? trainer::WeightsUsed::ema : trainer::WeightsUsed::raw,
                          flags.output);
  fmt::print(stderr, "{}: {} tensors of step {}\n", flags.output, checkpoint.manifest().parameters.size(),
             checkpoint.manifest().state.step);
  return ExitCode::done;
}

}  // namespace

Command export_command() {
  return {
      .name = "export",
      .usage = "--checkpoint DIR --output FILE",
      .summary = "write a checkpoint's weights as safetensors under timm's tensor names",
      .example = "vitrail export --checkpoint runs/quickstart/checkpoints/latest --output model.safetensors",
      .flags = ExportFlags(),
      .options = export_options(),
      .run = run_export};
}

}  // namespace vitrail::launcher
