#include "launcher/doctor/checks/run.hpp"

#include <fmt/format.h>

#include "trainer/run/run_warnings.hpp"
#include "trainer/settings/validate.hpp"
#include "trainer/sharding_plan.hpp"

namespace vitrail::launcher {
namespace {

constexpr const char* kRun = "run";

}  // namespace

Finding check_settings(const trainer::Config& config, const std::optional<std::int64_t>& ranks) {
  Finding finding{kRun, "settings"};
  try {
    trainer::validate(config);
    if (ranks) trainer::check_groups(config, *ranks);
    if (ranks && *ranks > config.run.lanes) {
      return {kRun, "settings", Verdict::failed,
              fmt::format("{} ranks with run.lanes = {}: a rank without a lane would have nothing to do",
                          *ranks, config.run.lanes),
              fmt::format("start at most {} ranks, or choose more lanes for a new run", config.run.lanes)};
    }
  } catch (const Error& e) {
    return {kRun, "settings", Verdict::failed, e.what(),
            e.hint().empty() ? "change the settings that it names" : e.hint()};
  }
  finding.figure = fmt::format("{} at {} px, batch {} in {} micro-batches (run.lanes){}", config.model.name,
                               config.model.image_size, config.data.global_batch_size, config.run.lanes,
                               ranks ? fmt::format(" on {} rank{}", *ranks, *ranks == 1 ? "" : "s") : "");
  const std::string uneven = trainer::uneven_lanes(config.lane_groups(), ranks.value_or(1));
  if (uneven.empty()) return finding;
  finding.verdict = Verdict::warning;
  finding.remedy = uneven;
  return finding;
}

Findings check_run(const RunFacts& facts) {
  Finding state{kRun, "state"};
  state.figure = fmt::format("{}: {}", facts.folder.string(),
                             facts.progress.empty() ? "begins" : "goes on after " + facts.progress);
  if (!facts.refused.empty()) {
    state = {kRun, "state", Verdict::failed, facts.refused, "another run.name or run.dir"};
    state.may_pass = facts.may_pass;
  } else if (!facts.owner.empty()) {
    state.verdict = Verdict::warning;
    state.figure =
        fmt::format("{} belongs to {}, which is still running", facts.folder.string(), facts.owner);
    state.remedy = "wait for it or stop it; a second run needs another run.name or run.dir";
  } else if (facts.finished) {
    state.verdict = Verdict::warning;
    state.figure = fmt::format("{} has finished: {}", facts.folder.string(), facts.progress);
    state.remedy = "there is nothing left to do: a longer run.epochs or run.steps, or another run.name";
  }
  Findings findings = {state};
  for (const RunWeights& weights : facts.weights) {
    Finding& finding = findings.emplace_back(Finding{kRun, weights.key, Verdict::ok, weights.path});
    if (!weights.refused.empty()) {
      finding.verdict = Verdict::failed;
      finding.figure += ": " + weights.refused;
      finding.remedy = "its file system does not answer as it should: try again, or ask the site";
      finding.may_pass = true;
    } else if (!weights.there) {
      finding.verdict = Verdict::failed;
      finding.figure += ": there is no such file or folder";
      finding.remedy =
          fmt::format("set {} to a checkpoint, a run's folder or a safetensors file", weights.key);
    } else if (!weights.unfinished.empty()) {
      finding.verdict = Verdict::warning;
      finding.figure = weights.unfinished;
      finding.remedy = "the run that it comes from should end first";
    }
  }
  return findings;
}

}  // namespace vitrail::launcher
