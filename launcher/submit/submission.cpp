#include "launcher/submit/submission.hpp"

#include "launcher/options/options.hpp"
#include "launcher/options/shell_words.hpp"
#include "launcher/submit/job_script.hpp"
#include "launcher/sweep/frozen.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

// A file, or the name of one of the recipes that lie beside the scripts.
std::string found_config(const std::string& asked, const fs::path& scripts) {
  if (fs::is_regular_file(asked)) return asked;
  const fs::path recipe = scripts.parent_path() / "configs" / (asked + ".cfg");
  if (fs::is_regular_file(recipe)) return recipe.string();
  throw Error(ExitCode::usage, fmt::format("command line: submit {}: there is no such file, and no {}", asked,
                                           recipe.string()));
}

void refuse_rest(const GivenWords& given) {
  if (given.rest.empty()) return;
  throw Error(ExitCode::usage,
              fmt::format("command line: {}: submit takes settings of the run alone", given.rest.front()),
              "--nodes and slurm/site.sh say on how many ranks; --sbatch-args is for sbatch");
}

// What the files say together, in the form that they have.
std::string frozen_text(const std::vector<std::string>& files) {
  const SharedSettings settings = read_files(files);
  return fmt::format("# {} when this run was submitted; its job reads this file instead.\n\n{}",
                     fmt::join(files, ", "),
                     trainer::ini_text({settings.values.begin(), settings.values.end()}));
}

// As slurm/train.sh names it.
fs::path folder_of(const trainer::RunConfig& run, const std::string& config, const Site& site) {
  if (!run.dir.empty()) return run.dir;
  if (run.name != trainer::RunConfig().name) return fs::path(site.runs) / run.name;
  return fs::path(site.runs) / fs::path(config).stem();
}

// sbatch's own words win over the script's.
std::string time_limit_of(const std::vector<std::string>& words, const std::string& of_script) {
  std::string limit = of_script;
  for (std::size_t i = 0; i < words.size(); ++i) {
    constexpr std::string_view kLong = "--time=";
    if (words[i].starts_with(kLong)) limit = words[i].substr(kLong.size());
    if ((words[i] == "--time" || words[i] == "-t") && i + 1 < words.size()) limit = words[i + 1];
  }
  return limit;
}

fs::path named_by_content(const fs::path& folder, const std::string& text, const char* ending) {
  return folder / fmt::format("submitted-{}.{}", hash_text(text).hex().substr(0, 8), ending);
}

}  // namespace

Submission plan_submission(const SubmitFlags& flags, const std::string& config,
                           const std::vector<std::string>& launch_words, const Site& site,
                           const fs::path& scripts, const fs::path& program) {
  GivenWords given = sort_words(launch_words, make_options());
  refuse_rest(given);
  given.files.insert(given.files.begin(), found_config(config, scripts));
  Submission submission;
  submission.ranks = flags.nodes * site.ranks_on_node();
  std::vector<std::string> launch = {"launch", "-n", std::to_string(submission.ranks)};
  for (const std::string& file : given.files) launch.insert(launch.end(), {"--config", file});
  launch.insert(launch.end(), given.flag_words.begin(), given.flag_words.end());
  submission.settings = parse_command_line(launch).config;
  const fs::path run = folder_of(submission.settings.run, given.files.front(), site);
  submission.run = (run / "").parent_path();
  submission.settings.run.dir = submission.run.string();
  submission.config_text = frozen_text(given.files);
  submission.config = named_by_content(submission.run, submission.config_text, "cfg");
  submission.script_text =
      job_script(site, {submission.run, submission.config, scripts, program, flags.nodes, flags.time_limit});
  submission.script = named_by_content(submission.run, submission.script_text, "sh");

  submission.words = {"sbatch", "--parsable"};
  const auto more = shell_words(flags.sbatch_args).value_or(std::vector<std::string>{});
  submission.words.insert(submission.words.end(), more.begin(), more.end());
  submission.time_limit = time_limit_of(more, flags.time_limit.empty() ? site.time_limit : flags.time_limit);
  submission.words.push_back(submission.script.string());
  submission.words.insert(submission.words.end(), given.flag_words.begin(), given.flag_words.end());
  submission.words.insert(submission.words.end(), {"--run.dir", submission.run.string()});
  return submission;
}

}  // namespace vitrail::launcher
