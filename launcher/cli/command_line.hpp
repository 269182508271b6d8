// What the user asked for, as one value: the command, the settings of a run and the command's own flags.
// Units and defaults: beside the fields; keys, bounds and help: trainer/settings/sections and
// launcher/options. Throws: Error(usage), one line naming where it came from, the key, the value and what is
// expected; Error(refused) for valid options that cannot be honoured together; Error(io) for a file nobody
// can read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launcher/cli/command.hpp"
#include "launcher/plan/hardware.hpp"
#include "trainer/base/error.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/settings/settings.hpp"

namespace vitrail::launcher {

using trainer::SettingsMap;

enum class Via { automatic, srun, mpirun };

struct LaunchConfig {
  Via via = Via::automatic;  // automatic: srun inside a Slurm job, else mpirun
  std::string mpi = "pmix";  // how srun joins ranks to a world; empty: as the site does by default
  std::string srun_args;     // added to srun's own, as a shell would split them
  std::optional<std::int64_t> ranks, nodes, gpus_per_node;
};

enum class OutputFormat { text, json, csv };
enum class CheckpointAction { list, verify, hash, compare };
enum class SweepAction { plan, run, submit, status, folder };
enum class SweepMetric { automatic, loss, eval_loss, top1, top5 };

// Flags of single commands; those of runs are in trainer::Config and LaunchConfig.
struct Flags {
  bool help = false;
  bool print_config = false;
  bool print_schedule = false;         // launch, train
  std::optional<std::int64_t> images;  // beside print_schedule; plan
  std::vector<std::string> config_files;
  OutputFormat format = OutputFormat::text;
  std::string source;                   // pack
  std::string split;                    // pack; empty: by names
  std::string devkit;                   // pack: of imagenet-train and imagenet-val
  std::string validation;               // pack: rule for imagenet-21k; empty: the default one
  std::string reencode;                 // pack: SHORT_SIDE,QUALITY; empty: bytes as they came
  std::string output;                   // pack, import, sweep: a folder; export, predict, preview: a file
  std::int64_t shard_mib = 1024;        // pack
  std::optional<std::int64_t> threads;  // pack, verify; absent: one per core
  bool decode = false;                  // verify
  std::string checkpoint;               // eval, predict, export
  bool ema = false;                     // export
  std::int64_t top = 5;                 // predict
  std::int64_t samples = 8;             // preview
  std::int64_t draws = 8;               // preview
  std::string names;                    // predict: a pack
  std::string model;                    // models; empty: all of them
  double seconds = 3;                   // bench
  std::optional<double> images_per_s;   // bench: of one device; absent: by mfu, or not told
  double mfu = 0.4;                     // bench: share of run.peak_tflops
  std::optional<std::int64_t> task;     // sweep
  std::int64_t at_once = 1;             // sweep
  SweepMetric metric = SweepMetric::automatic;  // sweep; automatic: top1, or loss where nothing is evaluated
  std::optional<double> quota_gib;              // sweep
  std::string sbatch_args;                      // sweep
  bool change = false;                          // sweep: take the config files as they are now
  bool retry_diverged = false;                  // sweep
  std::optional<double> watch;                  // sweep: seconds between two looks
  trainer::StatePart part = trainer::StatePart::all;  // checkpoint hash
};

// Flags of `plan`: the cluster, and what is assumed of it. Absent numbers are those of the named GPU.
struct PlanFlags {
  GpuKind gpu = GpuKind::by_hand;
  std::optional<double> memory_gb, memory_gb_per_s;
  std::optional<double> node_gb_per_s, network_gb_per_s;  // one direction
  std::optional<double> mfu;                              // absent: by the model's family
  std::optional<double> core_images_per_s;                // absent: by the augmentation
  double record_kb = 110;
  double write_gb_per_s = 2;
  double failure_gpu_hours = 8100;  // the A100s of Meta's research cluster, arXiv 2410.21680
  double message_us = 5;
  double reserve_gb = 3;
  std::optional<std::int64_t> up_to;
  std::string measured;
};

// Printed instead of running the command.
struct Answer {
  std::string text;
  ExitCode code = ExitCode::done;  // usage: the text belongs on stderr
};

struct CommandLine {
  Command command = Command::train;
  trainer::Config config;
  LaunchConfig launch;
  Flags flags;
  PlanFlags plan;
  CheckpointAction action = CheckpointAction::list;
  SweepAction sweep_action = SweepAction::plan;
  bool names_length = false;                  // run.steps or run.epochs was given as a flag
  std::vector<std::string> paths;             // PACK, GRID, or the paths of `checkpoint`
  std::vector<std::string> train_arguments;   // launch: what each rank's `vitrail train` is given
  std::vector<std::string> launch_arguments;  // sweep: what each task's `vitrail launch` is given
  std::optional<Answer> answer;               // --help, --version, --print-config, or no command at all
};

// `words`: argv without the program. Config files apply in their order, then flags; later wins. `base`:
// settings that come before all of them (a checkpoint's); those that the command does not use are passed
// over.
CommandLine parse_command_line(const std::vector<std::string>& words, const SettingsMap& base = {});

// The --checkpoint whose settings an `eval` or `predict` line builds on; empty for any other line.
std::string checkpoint_to_build_on(const std::vector<std::string>& words);

// The settings that the command uses, key -> value.
SettingsMap resolved_settings(const CommandLine& line);

// The settings that the command uses, as an INI file that parses to the same settings.
std::string print_config(const CommandLine& line);

}  // namespace vitrail::launcher
