#include <algorithm>
#include <map>

#include "launcher/options/flag_table.hpp"
#include "launcher/options/shell_words.hpp"
#include "launcher/sweep/actions.hpp"

namespace vitrail::launcher {
namespace {

Condition in_sweep(const std::vector<SweepAction>& actions, const std::string& text) {
  return {"", text, [actions](const CommandLine& line) {
            return std::find(actions.begin(), actions.end(), line.own<SweepFlags>().action) != actions.end();
          }};
}

Condition of_all_tasks() {
  return {"task", "no --task", [](const CommandLine& line) { return !line.own<SweepFlags>().task; }};
}

Condition without_csv() {
  return {"format", "format = text or json",
          [](const CommandLine& line) { return line.own<SweepFlags>().format != OutputFormat::csv; }};
}

void add_tasks(FlagTable<SweepFlags>& flags) {
  flags.add("output", &SweepFlags::output,
            {.help = "folder of the tasks' folders", .placeholder = "DIR", .absent = "runs/<name of GRID>"});
  flags.add("at-once", &SweepFlags::at_once,
            {.help = "tasks that run at a time",
             .bounds = from_to(1, 10000),
             .unit = "tasks",
             .when = {in_sweep({SweepAction::run, SweepAction::submit}, "`sweep run` or `sweep submit`"),
                      of_all_tasks()}});
  flags.add("task", &SweepFlags::task,
            {.help = "only this one; its exit status is that of `vitrail launch`",
             .bounds = from_to(0, 99999),
             .absent = "all of them",
             .when = {in_sweep({SweepAction::run, SweepAction::folder}, "`sweep run` or `sweep folder`")}});
  const Condition starts = in_sweep({SweepAction::plan, SweepAction::run, SweepAction::submit},
                                    "`sweep plan`, `sweep run` or `sweep submit`");
  flags.add("quota-gib", &SweepFlags::quota_gib,
            {.help = "what the checkpoints of all tasks may take",
             .bounds = above(0),
             .unit = "GiB",
             .absent = "what is free in the file system",
             .when = {starts, of_all_tasks()}});
  flags.add("change", &SweepFlags::change,
            {.help = "take the config files as they are now, not as they were when the sweep was submitted "
                     "or first run; a task that was begun with other settings is refused",
             .when = {starts, of_all_tasks()}});
  flags.add("retry-diverged", &SweepFlags::retry_diverged,
            {.help = "run diverged tasks again, too",
             .when = {in_sweep({SweepAction::run, SweepAction::submit}, "`sweep run` or `sweep submit`")}});
  flags.add("sbatch-args", &SweepFlags::sbatch_args,
            {.help = "more arguments for sbatch",
             .absent = "none",
             .when = {in_sweep({SweepAction::submit}, "`sweep submit`")}},
            {kShellWords, is_shell_words});
}

void add_table(FlagTable<SweepFlags>& flags) {
  const Condition shows = in_sweep({SweepAction::run, SweepAction::status}, "`sweep run` or `sweep status`");
  flags.choice(
      "metric", &SweepFlags::metric,
      {{SweepMetric::automatic, "auto"},
       {SweepMetric::loss, "loss"},
       {SweepMetric::eval_loss, "eval_loss"},
       {SweepMetric::top1, "top1"},
       {SweepMetric::top5, "top5"}},
      {.help = "what the table is sorted by, best first; auto: top1, or loss where nothing is evaluated",
       .when = {shows, of_all_tasks()}});
  flags.choice("format", &SweepFlags::format,
               {{OutputFormat::text, "text"}, {OutputFormat::json, "json"}, {OutputFormat::csv, "csv"}},
               {.help = "a text to read, one JSON document, or a line of names and one for each task",
                .placeholder = "FORM",
                .when = {in_sweep({SweepAction::plan, SweepAction::run, SweepAction::status},
                                  "`sweep plan`, `sweep run` or `sweep status`"),
                         of_all_tasks()}});
  flags.add("watch", &SweepFlags::watch,
            {.help = "look again and again, until all tasks have ended; on a terminal in the same place, "
                     "else where something has changed",
             .bounds = above_to(0, 86400),
             .unit = "seconds; 10 where none are given",
             .placeholder = "[SECONDS]",
             .absent = "one look",
             .when = {in_sweep({SweepAction::status}, "`sweep status`"), without_csv()},
             .alone = "10"});
}

std::vector<Option> sweep_options() {
  FlagTable<SweepFlags> flags;
  add_tasks(flags);
  add_table(flags);
  return flags.done();
}

// Flags of `launch` are passed on to it; what is left of the words is the grid.
void take_sweep_action(CommandLine& line) {
  for (const char* key : {"run.dir", "run.name"}) {
    if (!line.flags_given.contains(key)) continue;
    throw Error(
        ExitCode::usage,
        fmt::format("command line: --{}: every task of a sweep has its own; --output names the folder of all",
                    key));
  }
  const std::map<std::string, SweepAction> actions = {{"plan", SweepAction::plan},
                                                      {"run", SweepAction::run},
                                                      {"submit", SweepAction::submit},
                                                      {"status", SweepAction::status},
                                                      {"folder", SweepAction::folder}};
  const std::string& word = line.arguments.front();
  const auto found = actions.find(word);
  if (found == actions.end()) {
    throw Error(ExitCode::usage,
                fmt::format("command line: sweep {}: expected plan, run, submit, status or folder", word));
  }
  line.own<SweepFlags>().action = found->second;
  line.arguments.erase(line.arguments.begin());
}

ExitCode run_sweep(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<SweepFlags>();
  Sweep sweep = read_sweep(line);
  if (!sweep.notice.empty()) say_sweep(sweep.notice);
  switch (flags.action) {
    case SweepAction::plan:
      return show_plan(flags, sweep);
    case SweepAction::run:
      return flags.task ? run_task(flags, environment, sweep) : run_tasks(flags, sweep);
    case SweepAction::submit:
      return submit_sweep(flags, sweep);
    case SweepAction::status:
      return show_status(flags, sweep);
    case SweepAction::folder:
      fmt::print("{}\n", asked_task(flags, sweep).folder.string());
      return ExitCode::done;
  }
  return ExitCode::usage;
}

}  // namespace

Command sweep_command() {
  return {.name = "sweep",
          .usage = "plan|run|submit|status|folder GRID [--config FILE ...] [options of launch]",
          .summary = "runs that differ by a few settings, here or as a Slurm array, and a table of them",
          .example = "vitrail sweep run rates.ini --config configs/quickstart.cfg --at-once 2",
          .least_arguments = 2,
          .most_arguments = 2,
          .flags = SweepFlags(),
          .options = sweep_options(),
          .collects_for = "launch",
          .holds_stop_signals = true,
          .take = take_sweep_action,
          .run = run_sweep};
}

}  // namespace vitrail::launcher
