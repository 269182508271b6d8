// All that `vitrail submit` is about to write and to call. Settings are frozen: the files that are named now,
// with what they include, become one file in the run's folder, called by its content; flags go with the job
// as its words. Throws: Error(usage), Error(refused): what `vitrail launch` on as many ranks would throw.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "launcher/submit/site.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::launcher {

struct SubmitFlags {
  std::int64_t nodes = 1;
  std::string time_limit, sbatch_args, scripts;
  bool dry_run = false, unchecked = false;
};

struct Submission {
  std::filesystem::path run;  // its folder
  std::int64_t ranks = 1;
  std::filesystem::path config, script;
  std::string config_text, script_text;
  std::vector<std::string> words;  // sbatch and its own
  trainer::Config settings;        // of the run
  std::string time_limit;          // of an attempt; empty: the partition's
};

// `launch_words`: flags of the command line that are `launch`'s. `scripts`: folder of site.sh.
Submission plan_submission(const SubmitFlags& flags, const std::string& config,
                           const std::vector<std::string>& launch_words, const Site& site,
                           const std::filesystem::path& scripts, const std::filesystem::path& program);

}  // namespace vitrail::launcher
