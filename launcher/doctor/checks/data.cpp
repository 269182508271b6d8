#include "launcher/doctor/checks/data.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace vitrail::launcher {
namespace {

constexpr const char* kData = "data";

Finding check_source(const DataFacts& facts, const std::optional<std::int64_t>& model_classes) {
  if (!facts.refused.empty()) {
    const std::string damaged =
        fmt::format("vitrail verify {} tells all that is damaged; copy or pack it again", facts.source);
    Finding refused{kData, facts.key, Verdict::failed, facts.refused,
                    facts.hint.empty() ? damaged : facts.hint};
    refused.may_pass = facts.may_pass;
    return refused;
  }
  Finding finding{kData, facts.key};
  finding.figure =
      facts.classes == 0
          ? fmt::format("{}: {} images without labels", facts.source, facts.images)
          : fmt::format("{}: {} images of {} classes", facts.source, facts.images, facts.classes);
  if (facts.shards)
    finding.figure += fmt::format("; the index has its hash, {} shard{} their sizes", *facts.shards,
                                  *facts.shards == 1 ? "" : "s");
  finding.numbers = {{"images", static_cast<double>(facts.images)},
                     {"classes", static_cast<double>(facts.classes)}};
  const auto odd = std::ranges::adjacent_find(facts.fingerprints, std::ranges::not_equal_to());
  if (odd != facts.fingerprints.end()) {
    finding.verdict = Verdict::failed;
    finding.figure += fmt::format("; rank {} has other content than rank {}",
                                  odd - facts.fingerprints.begin() + 1, odd - facts.fingerprints.begin());
    finding.remedy = "let all ranks read the same data";
  } else if (model_classes && *model_classes < facts.classes) {
    finding.verdict = Verdict::failed;
    finding.figure += fmt::format(", but model.classes = {}", *model_classes);
    finding.remedy = fmt::format("set model.classes = {}", facts.classes);
  } else if (model_classes && *model_classes > facts.classes) {
    finding.verdict = Verdict::warning;
    finding.figure += fmt::format("; model.classes = {} has more", *model_classes);
    finding.remedy = fmt::format("is it the right data? Else set model.classes = {}", facts.classes);
  }
  return finding;
}

Finding check_decoding(const DataFacts& facts, const std::optional<double>& wanted) {
  const DataRate& slowest = *std::ranges::min_element(facts.rates, {}, &DataRate::images_per_s);
  Finding finding{kData, "decoding"};
  finding.figure = fmt::format(
      "{:.0f} images/s{} by {}", slowest.images_per_s,
      slowest.bytes_per_s > 0 ? fmt::format(" and {}/s read", bytes_text(slowest.bytes_per_s)) : "",
      facts.rates.size() == 1 ? "this rank"
                              : fmt::format("the slowest rank ({}), all at once", slowest.host));
  finding.numbers = {{"images_per_s", slowest.images_per_s},
                     {"images_per_core_s", slowest.images_per_core_s},
                     {"read_bytes_per_s", slowest.bytes_per_s},
                     {"read_share", slowest.read_share}};
  if (!wanted) {
    finding.figure += "; what the model wants is known of a GPU (--expect NAME, or run.peak_tflops)";
    return finding;
  }
  finding.numbers["wanted_images_per_s"] = *wanted;
  finding.figure += fmt::format("; by plan the model takes {:.0f}", *wanted);
  if (slowest.images_per_s >= *wanted) return finding;
  finding.verdict = Verdict::warning;
  constexpr double kMostlyReading = 0.5;
  finding.remedy = slowest.read_share > kMostlyReading
                       ? "most of the time goes into reading: a faster file system, or data.stage_dir on the "
                         "nodes' own disks"
                       : fmt::format(
                             "{:.0f} cores for a rank would do (data.workers, --cpus-per-task), of which one "
                             "decodes {:.0f} images/s",
                             std::ceil(*wanted / slowest.images_per_core_s), slowest.images_per_core_s);
  return finding;
}

}  // namespace

Findings check_data(const DataFacts& facts, const std::optional<std::int64_t>& model_classes,
                    const std::optional<double>& wanted) {
  Findings findings = {check_source(facts, model_classes)};
  if (!facts.rates.empty()) findings.push_back(check_decoding(facts, wanted));
  return findings;
}

}  // namespace vitrail::launcher
