#include <algorithm>

#include "launcher/options/command_sets.hpp"
#include "launcher/options/options.hpp"
#include "launcher/options/shell_words.hpp"

namespace vitrail::launcher {
namespace {

std::vector<Command> every_command() {
  std::vector<Command> all;
  for (const CommandInfo& info : commands()) all.push_back(info.command);
  return all;
}

Condition with_srun() {
  return {"launch.via", "launch.via = auto or srun",
          [](const CommandLine& line) { return line.launch.via != Via::mpirun; }};
}

Condition with_hash() {
  return {"", "`checkpoint hash`",
          [](const CommandLine& line) { return line.action == CheckpointAction::hash; }};
}

constexpr const char* kShellWords = "words as a shell splits them, every quote closed";
bool is_shell_words(const std::string& text) { return shell_words(text).has_value(); }

Condition in_sweep(const std::vector<SweepAction>& actions, const std::string& text) {
  return {"", text, [actions](const CommandLine& line) {
            return std::find(actions.begin(), actions.end(), line.sweep_action) != actions.end();
          }};
}

Condition of_all_tasks() {
  return {"task", "no --task", [](const CommandLine& line) { return !line.flags.task; }};
}

Condition without_csv() {
  return {"format", "format = text or json",
          [](const CommandLine& line) { return line.flags.format != OutputFormat::csv; }};
}

Condition without_ranks() {
  return {"ranks", "no --ranks", [](const CommandLine& line) { return !line.launch.ranks; }};
}

Condition without_output() {
  return {"output", "no --output", [](const CommandLine& line) { return line.flags.output.empty(); }};
}

Condition with_printed_schedule() {
  return {"", "--print-schedule", [](const CommandLine& line) { return line.flags.print_schedule; }};
}

void add_pack_flags(std::vector<Option>& table) {
  const auto reach = [](auto& line) -> auto& { return line.flags; };
  const FlagSection pack(table, "", {Command::pack}, reach);
  pack.add(
      "source", &Flags::source,
      {.help =
           "what to pack: imagenet-train:TAR|DIR|TAR.GZ, imagenet-val:TAR, "
           "imagenet-21k:TAR|DIR|TAR.GZ, imagenet-hf:DIR|TAR.GZ (Hugging Face's), folder:DIR (a folder for "
           "each class), flat:DIR,LABELS (one folder and a list FILE,LABEL) or idx:IMAGES,LABELS",
       .placeholder = "SPEC",
       .required = true});
  pack.add(
      "output", &Flags::output,
      {.help = "folder of the pack; an incomplete one is completed", .placeholder = "DIR", .required = true});
  pack.add("split", &Flags::split,
           {.help = "name of this part of the data, kept in the pack; train where no name says",
            .placeholder = "NAME",
            .absent = "by the name of source or output: train, val, test"},
           {"not empty", [](const std::string& text) { return !text.empty(); }});
  pack.add(
      "devkit", &Flags::devkit,
      {.help =
           "ILSVRC2012_devkit_t12.tar.gz or its folder: labels of imagenet-val, names and order of classes",
       .placeholder = "FILE",
       .absent = "none; imagenet-val needs it"});
  pack.add(
      "validation", &Flags::validation,
      {.help = "what of imagenet-21k is for --split val, the rest being for train: 21k-p (classes of more "
               "than 500 images, the first 50 of each) or hash:FRACTION",
       .placeholder = "RULE",
       .absent = "hash:0.01"});
  pack.add("reencode", &Flags::reencode,
           {.help = "shrink larger images to this short side and store them as JPEGs of this quality",
            .placeholder = "SIDE,QUALITY",
            .absent = "every image stays as it came"});
  pack.add("shard-mib", &Flags::shard_mib,
           {.help = "size of a shard", .bounds = from_to(1, 65536), .unit = "MiB"});
  pack.add("threads", &Flags::threads,
           {.help = "threads that list and decode; no byte of the pack depends on it",
            .bounds = from_to(1, 1024),
            .unit = "threads",
            .absent = "one for each core"});

  const FlagSection verify(table, "", {Command::verify}, reach);
  verify.add("decode", &Flags::decode, {.help = "decode every image too"});
  verify.add("threads", &Flags::threads,
             {.help = "threads that read",
              .bounds = from_to(1, 1024),
              .unit = "threads",
              .absent = "one for each core"});
}

bool is_picture(const std::string& path) {
  return path.ends_with(".jpg") || path.ends_with(".jpeg") || path.ends_with(".png");
}

bool is_preview_file(const std::string& path) { return is_picture(path) || path.ends_with(".safetensors"); }

void add_preview_flags(std::vector<Option>& table) {
  const FlagSection data(
      table, "", {Command::preview}, [](auto& line) -> auto& { return line.config.data; });
  data.add("data", &datasets::DataConfig::train,
           {.help = "images to look at: a pack's folder, folder:DIR or synthetic:; short for data.train",
            .placeholder = "SOURCE",
            .required = true});
  const FlagSection preview(
      table, "", {Command::preview}, [](auto& line) -> auto& { return line.flags; });
  preview.add(
      "output", &Flags::output,
      {.help = "a picture with a row for each image and a column for each draw (.jpg, .png), or the pixels "
               "as floats [draws, samples, 3, S, S] (.safetensors)",
       .placeholder = "FILE",
       .required = true},
      {"a name that ends with .jpg, .png or .safetensors", is_preview_file});
  preview.add("samples", &Flags::samples,
              {.help = "the first so many images", .bounds = from_to(1, 4096), .unit = "images"});
  preview.add(
      "draws", &Flags::draws,
      {.help = "how often each is drawn: its first epochs", .bounds = from_to(1, 4096), .unit = "epochs"});
}

void add_weights_flags(std::vector<Option>& table) {
  const auto reach = [](auto& line) -> auto& { return line.flags; };
  const FlagSection eval(table, "", {Command::eval, Command::predict}, reach);
  eval.add("checkpoint", &Flags::checkpoint,
           {.help = "checkpoint whose weights are used", .placeholder = "DIR", .absent = "model.weights"});
  // Another name for data.val, so what --print-config saves needs no flag.
  const FlagSection data(
      table, "", {Command::eval}, [](auto& line) -> auto& { return line.config.data; });
  data.add("data", &datasets::DataConfig::val,
           {.help = "images to evaluate on; short for data.val", .placeholder = "SOURCE", .required = true});
  const FlagSection asked(
      table, "", {Command::predict}, [](auto& line) -> auto& { return line.config.data; });
  asked.add(
      "data", &datasets::DataConfig::val,
      {.help = "images to look at: a pack's folder, folder:DIR, tensor:FILE.safetensors (labels are not "
               "needed) or synthetic:; short for data.val",
       .placeholder = "SOURCE",
       .required = true});
  const FlagSection predict(table, "", {Command::predict}, reach);
  predict.add("output", &Flags::output,
              {.help = "safetensors file for `logits` [images, classes]",
               .placeholder = "FILE",
               .absent = "the likeliest classes are printed instead"});
  predict.add("top", &Flags::top,
              {.help = "likeliest classes printed of each image",
               .bounds = from_to(1, 1e6),
               .when = {without_output()}});
  predict.add("names", &Flags::names,
              {.help = "pack whose classes have the names to print",
               .placeholder = "PACK",
               .absent = "the names in the checkpoint, else of --data, else numbers",
               .when = {without_output()}});

  const FlagSection models(table, "", {Command::models}, reach);
  models.add("model", &Flags::model,
             {.help = "only this one", .placeholder = "NAME", .absent = "all of them"});

  const FlagSection export_weights(table, "", {Command::export_weights}, reach);
  export_weights.add(
      "checkpoint", &Flags::checkpoint,
      {.help = "checkpoint whose weights are written", .placeholder = "DIR", .required = true});
  export_weights.add("ema", &Flags::ema, {.help = "the average of the weights (ema.decay) instead"});
  export_weights.add("output", &Flags::output,
                     {.help = "safetensors file to write", .placeholder = "FILE", .required = true});

  const FlagSection import_weights(table, "", {Command::import_weights}, reach);
  import_weights.add(
      "output", &Flags::output,
      {.help = "folder for the checkpoint, step-00000000", .placeholder = "DIR", .required = true});

  const FlagSection checkpoint(table, "", {Command::checkpoint}, reach);
  checkpoint.choice("part", &Flags::part,
                    {{trainer::StatePart::weights, "weights"},
                     {trainer::StatePart::optimizer, "optimizer"},
                     {trainer::StatePart::ema, "ema"},
                     {trainer::StatePart::all, "all"}},
                    {.help = "what is hashed", .placeholder = "PART", .when = {with_hash()}});
}

void add_bench_flags(std::vector<Option>& table) {
  const FlagSection data(
      table, "", {Command::bench}, [](auto& line) -> auto& { return line.config.data; });
  data.add(
      "data", &datasets::DataConfig::train,
      {.help = "images to make batches of; short for data.train", .placeholder = "SOURCE", .required = true});
  const FlagSection bench(
      table, "", {Command::bench}, [](auto& line) -> auto& { return line.flags; });
  bench.add(
      "seconds", &Flags::seconds,
      {.help = "length of each of the two measurements", .bounds = above_to(0, 3600), .unit = "seconds"});
  bench.add("images-per-s", &Flags::images_per_s,
            {.help = "what one device trains of model.name",
             .bounds = above_to(0, 1e9),
             .unit = "images/s",
             .absent = "mfu of run.peak_tflops, where that is given"});
  bench.add("mfu", &Flags::mfu,
            {.help = "share of run.peak_tflops that training reaches",
             .bounds = above_to(0, 1),
             .when = {{"run.peak_tflops", "a run.peak_tflops above 0",
                       [](const CommandLine& line) { return line.config.run.peak_tflops > 0; }}}});
}

void add_sweep_flags(std::vector<Option>& table) {
  const FlagSection sweep(
      table, "", {Command::sweep}, [](auto& line) -> auto& { return line.flags; });
  sweep.add("output", &Flags::output,
            {.help = "folder of the tasks' folders", .placeholder = "DIR", .absent = "runs/<name of GRID>"});
  sweep.add("at-once", &Flags::at_once,
            {.help = "tasks that run at a time",
             .bounds = from_to(1, 10000),
             .unit = "tasks",
             .when = {in_sweep({SweepAction::run, SweepAction::submit}, "`sweep run` or `sweep submit`"),
                      of_all_tasks()}});
  sweep.add("task", &Flags::task,
            {.help = "only this one; its exit status is that of `vitrail launch`",
             .bounds = from_to(0, 99999),
             .absent = "all of them",
             .when = {in_sweep({SweepAction::run, SweepAction::folder}, "`sweep run` or `sweep folder`")}});
  const Condition starts = in_sweep({SweepAction::plan, SweepAction::run, SweepAction::submit},
                                    "`sweep plan`, `sweep run` or `sweep submit`");
  sweep.add("quota-gib", &Flags::quota_gib,
            {.help = "what the checkpoints of all tasks may take",
             .bounds = above(0),
             .unit = "GiB",
             .absent = "what is free in the file system",
             .when = {starts, of_all_tasks()}});
  sweep.add("change", &Flags::change,
            {.help = "take the config files as they are now, not as they were when the sweep was submitted "
                     "or first run; a task that was begun with other settings is refused",
             .when = {starts, of_all_tasks()}});
  sweep.add("retry-diverged", &Flags::retry_diverged,
            {.help = "run diverged tasks again, too",
             .when = {in_sweep({SweepAction::run, SweepAction::submit}, "`sweep run` or `sweep submit`")}});
  sweep.add("sbatch-args", &Flags::sbatch_args,
            {.help = "more arguments for sbatch",
             .absent = "none",
             .when = {in_sweep({SweepAction::submit}, "`sweep submit`")}},
            {kShellWords, is_shell_words});
}

void add_sweep_table_flags(std::vector<Option>& table) {
  const FlagSection sweep(
      table, "", {Command::sweep}, [](auto& line) -> auto& { return line.flags; });
  const Condition shows = in_sweep({SweepAction::run, SweepAction::status}, "`sweep run` or `sweep status`");
  sweep.choice(
      "metric", &Flags::metric,
      {{SweepMetric::automatic, "auto"},
       {SweepMetric::loss, "loss"},
       {SweepMetric::eval_loss, "eval_loss"},
       {SweepMetric::top1, "top1"},
       {SweepMetric::top5, "top5"}},
      {.help = "what the table is sorted by, best first; auto: top1, or loss where nothing is evaluated",
       .when = {shows, of_all_tasks()}});
  sweep.choice("format", &Flags::format,
               {{OutputFormat::text, "text"}, {OutputFormat::json, "json"}, {OutputFormat::csv, "csv"}},
               {.help = "a text to read, one JSON document, or a line of names and one for each task",
                .placeholder = "FORM",
                .when = {in_sweep({SweepAction::plan, SweepAction::run, SweepAction::status},
                                  "`sweep plan`, `sweep run` or `sweep status`"),
                         of_all_tasks()}});
  sweep.add("watch", &Flags::watch,
            {.help = "look again and again, until all tasks have ended; on a terminal in the same place, "
                     "else where something has changed",
             .bounds = above_to(0, 86400),
             .unit = "seconds; 10 where none are given",
             .placeholder = "[SECONDS]",
             .absent = "one look",
             .when = {in_sweep({SweepAction::status}, "`sweep status`"), without_csv()},
             .alone = "10"});
}

void add_launch_flags(std::vector<Option>& table) {
  const FlagSection launch(
      table, "", {Command::launch}, [](auto& line) -> auto& { return line.launch; });
  launch.add("ranks", &LaunchConfig::ranks,
             {.help = "world size; at most run.lanes",
              .bounds = from_to(1, 65536),
              .unit = "ranks",
              .absent = "one for each GPU or slot",
              .letter = 'n'});
  launch.add("nodes", &LaunchConfig::nodes,
             {.help = "spread over so many nodes",
              .bounds = from_to(1, 65536),
              .unit = "nodes",
              .absent = "those of the job"});
  launch.add("gpus-per-node", &LaunchConfig::gpus_per_node,
             {.help = "ranks on each node, one for each GPU",
              .bounds = from_to(1, 64),
              .unit = "GPUs",
              .absent = "one rank for each GPU or slot that is seen",
              .when = {without_ranks()}});
}

}  // namespace

void add_flags(std::vector<Option>& table) {
  const auto reach = [](auto& line) -> auto& { return line.flags; };
  add_pack_flags(table);
  add_preview_flags(table);
  add_weights_flags(table);
  add_bench_flags(table);
  add_plan_flags(table);
  add_sweep_flags(table);
  add_sweep_table_flags(table);
  add_launch_flags(table);

  const FlagSection configured(table, "", kConfigured, reach);
  configured.add("config", &Flags::config_files,
                 {.help = "file of settings: [section], then key = value; may be repeated, later wins",
                  .placeholder = "FILE"});
  configured.add("print-config", &Flags::print_config,
                 {.help = "print the settings in use as such a file, and do nothing else"});

  const FlagSection trained(table, "", kStarting, reach);
  trained.add("print-schedule", &Flags::print_schedule,
              {.help = "print learning rate and weight decay over the run, and do nothing else"});
  trained.add("images", &Flags::images,
              {.help = "size of the training set, where data.train cannot be read",
               .bounds = from_to(1, 1e12),
               .unit = "images",
               .absent = "that of data.train",
               .when = {with_printed_schedule()}});
  trained.choice("format", &Flags::format, {{OutputFormat::text, "text"}, {OutputFormat::json, "json"}},
                 {.help = "a text to read, or one JSON document",
                  .placeholder = "FORM",
                  .when = {with_printed_schedule()}});

  const FlagSection listing(table, "",
                            {Command::info, Command::preview, Command::eval, Command::predict,
                             Command::models, Command::checkpoint, Command::plan, Command::bench},
                            reach);
  listing.choice("format", &Flags::format, {{OutputFormat::text, "text"}, {OutputFormat::json, "json"}},
                 {.help = "a text to read, or one JSON document", .placeholder = "FORM"});

  const FlagSection common(table, "", every_command(), reach);
  common.add("help", &Flags::help, {.help = "this text", .letter = 'h'});
}

void add_launch_settings(std::vector<Option>& table) {
  const FlagSection launch(
      table, "launch", {Command::launch}, [](auto& line) -> auto& { return line.launch; });
  launch.choice("via", &LaunchConfig::via,
                {{Via::automatic, "auto"}, {Via::srun, "srun"}, {Via::mpirun, "mpirun"}},
                {.help = "who starts the ranks; auto: srun inside a Slurm job, else mpirun"});
  launch.add(
      "mpi", &LaunchConfig::mpi,
      {.help = "how srun joins ranks to one world, its --mpi; Open MPI 4.1 wants pmix; empty: the site's "
               "default",
       .placeholder = "NAME"});
  launch.add("srun_args", &LaunchConfig::srun_args,
             {.help = "more arguments for srun", .when = {with_srun()}}, {kShellWords, is_shell_words});
}

}  // namespace vitrail::launcher
