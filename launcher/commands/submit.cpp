#include <cstdio>
#include <filesystem>

#include "launcher/doctor/examine.hpp"
#include "launcher/doctor/facts/slurm.hpp"
#include "launcher/options/flag_table.hpp"
#include "launcher/options/shell_words.hpp"
#include "launcher/ranks/command_output.hpp"
#include "launcher/submit/job_script.hpp"
#include "launcher/submit/sbatch.hpp"
#include "launcher/submit/submission.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

std::vector<Option> submit_options() {
  FlagTable<SubmitFlags> flags;
  flags.add("nodes", &SubmitFlags::nodes,
            {.help = "of the job; slurm/site.sh says how many ranks are on each",
             .bounds = from_to(1, 65536),
             .unit = "nodes"});
  flags.add("time-limit", &SubmitFlags::time_limit,
            {.help = "of each attempt, as sbatch's --time: 24:00:00",
             .placeholder = "TIME",
             .absent = "that of slurm/site.sh"});
  flags.add("sbatch-args", &SubmitFlags::sbatch_args,
            {.help = "more arguments for sbatch, which win over the script's", .absent = "none"},
            {kShellWords, is_shell_words});
  flags.add("scripts", &SubmitFlags::scripts,
            {.help = "folder of site.sh and train.sh",
             .placeholder = "DIR",
             .absent = "slurm of this folder, else that beside the program"});
  flags.add("dry-run", &SubmitFlags::dry_run,
            {.help = "print the job script; nothing is written or submitted"});
  flags.add("unchecked", &SubmitFlags::unchecked,
            {.help = "do not look first at what `vitrail launch --check` looks at: for data and folders that "
                     "only the nodes see",
             .when = {{"dry-run", "no --dry-run",
                       [](const CommandLine& line) { return !line.own<SubmitFlags>().dry_run; }}}});
  return flags.done();
}

// Removes what was written for a job that there is not.
class NewFiles {
 public:
  explicit NewFiles(const Submission& of) : folder_(of.run) {
    make_directories(folder_);
    for (const auto& [path, text] : {std::pair(of.config, of.config_text), {of.script, of.script_text}}) {
      if (fs::exists(path)) continue;  // of the same content, and of a job that waits
      write_text_atomically(path, text);
      new_.push_back(path);
    }
    fs::permissions(of.script, fs::perms::owner_exec, fs::perm_options::add);
  }
  ~NewFiles() {
    std::error_code none;
    for (const fs::path& path : new_) fs::remove(path, none);
    if (!new_.empty()) fs::remove(folder_, none);  // only where it is empty
  }
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  void keep() { new_.clear(); }

 private:
  fs::path folder_;
  std::vector<fs::path> new_;
};

ExitCode show(const Submission& submission) {
  fmt::print("{}", submission.script_text);
  std::string line;
  for (const std::string& word : submission.words) line += " " + shell_quoted(word);
  std::fputs(
      fmt::format("vitrail submit: not submitted. Settings would be kept in {}, and the script called by:\n "
                  "{}\n",
                  submission.config.string(), line)
          .c_str(),
      stderr);
  return ExitCode::done;
}

// What would end the job is said before it waits. What is not as it should be is shown.
void look_first(const Submission& submission, const Environment& environment) {
  Question question;
  question.config = submission.settings;
  question.run = asked_run(question.config, true);
  question.ranks = submission.ranks;
  question.time_limit_s = sbatch_seconds(submission.time_limit);
  question.signal_lead_s = kWarningSeconds;
  Environment outside = environment;
  outside.slurm.reset();  // a job that submits another one
  Examined examined = examine_before_start(outside, question);
  const ExitCode status = status_of(examined.findings);
  std::erase_if(examined.findings, [](const Finding& finding) {
    return finding.verdict != Verdict::failed && finding.verdict != Verdict::warning;
  });
  if (examined.findings.empty()) return;
  examined.what = "before it waits";
  std::fputs(examined_text(examined).c_str(), stderr);
  if (status == ExitCode::done) return;
  throw Error(status, "not submitted: the job would end as the table says",
              "mend it; --unchecked where only the nodes see data or folders");
}

ExitCode run_submit(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<SubmitFlags>();
  const fs::path program = fs::read_symlink("/proc/self/exe");
  const fs::path scripts = scripts_folder(flags.scripts, program);
  const Submission submission = plan_submission(flags, line.arguments.front(), line.passed_on,
                                                read_site(scripts / "site.sh"), scripts, program);
  if (flags.dry_run) return show(submission);
  if (output_of({"command", "-v", "sbatch"}).status != 0) {
    throw Error(ExitCode::refused, "sbatch: there is no such program in PATH",
                "submit where jobs of this cluster are submitted; --dry-run shows the job script anywhere");
  }
  if (!flags.unchecked) look_first(submission, environment);
  NewFiles files(submission);
  const Submitted submitted = submit_job(submission.words);
  if (submitted.job.empty()) {
    throw Error(
        ExitCode::refused,
        fmt::format("sbatch did not take the job (status {}), see above", submitted.status),
        "--dry-run shows the job script; what it asks for stands in " + (scripts / "site.sh").string());
  }
  files.keep();
  fmt::print("job {} on {} {} ({} {})\nrun {}\n", submitted.job, flags.nodes,
             flags.nodes == 1 ? "node" : "nodes", submission.ranks, submission.ranks == 1 ? "rank" : "ranks",
             submission.run.string());
  return ExitCode::done;
}

}  // namespace

Command submit_command() {
  return {.name = "submit",
          .usage = "CONFIG [--nodes K] [--dry-run] [--section.key VALUE ...]",
          .summary = "a run as a Slurm job: writes the job script, keeps the settings, submits",
          .example = "vitrail submit configs/vit_h_21k.cfg --nodes 4 --dry-run",
          .least_arguments = 1,
          .most_arguments = 1,
          .note =
              "\nCONFIG is a file, or the name of one of configs/. What the cluster is like stands in "
              "slurm/site.sh.\n",
          .flags = SubmitFlags(),
          .options = submit_options(),
          .collects_for = "launch",
          .run = run_submit};
}

}  // namespace vitrail::launcher
