#include "launcher/doctor/checks/storage.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace vitrail::launcher {
namespace {

constexpr const char* kRunFolder = "run folder";
constexpr const char* kOtherPlace = "set run.dir to a place on the file system that all nodes share";

Finding check_folder(const StorageFacts& facts) {
  Finding finding{kRunFolder, "file system"};
  finding.figure =
      fmt::format("{}: {}", facts.folder, facts.kind.empty() ? "of an unknown type" : facts.kind);
  for (const StorageOfRank& rank : facts.ranks) {
    if (rank.refused.empty()) continue;
    finding.verdict = Verdict::failed;
    finding.figure = fmt::format("{}: {}", rank.host, rank.refused);
    finding.remedy = "set run.dir to a folder that you may write to, or have this one mended";
    finding.may_pass = facts.may_pass;
    return finding;
  }
  if (facts.kind == "tmpfs" || facts.kind == "ramfs" || facts.kind == "overlay") {
    finding.verdict = Verdict::warning;
    finding.remedy = facts.kind == "overlay"
                         ? "what a container writes to itself goes with it: set run.dir to a mounted folder"
                         : "it lives in memory and goes with the machine: set run.dir to a disk";
  }
  return finding;
}

Finding check_shared(const StorageFacts& facts) {
  Finding finding{kRunFolder, "seen by all", Verdict::ok,
                  "what rank 0 makes, all ranks see; none makes it again"};
  std::vector<std::string> blind, twice;
  for (const StorageOfRank& rank : facts.ranks) {
    if (!rank.sees) blind.push_back(rank.host);
    if (rank.sees && !rank.exclusive) twice.push_back(rank.host);
  }
  if (!blind.empty()) {
    return {kRunFolder, "seen by all", Verdict::failed,
            fmt::format("{} did not see what {} made in {}", some_of(blind), facts.ranks.front().host,
                        facts.folder),
            kOtherPlace};
  }
  if (!twice.empty()) {
    return {kRunFolder, "seen by all", Verdict::failed,
            fmt::format("a file that was there could be made once more on {} (O_EXCL)", some_of(twice)),
            "nothing would keep two runs apart there: set run.dir to another file system"};
  }
  return finding;
}

Finding check_small_files(const StorageFacts& facts) {
  constexpr double kSlow = 1;
  const auto& slowest = *std::ranges::max_element(facts.ranks, {}, &StorageOfRank::rename_s);
  Finding finding{kRunFolder, "rename and fsync"};
  finding.figure = fmt::format("{} for a small file{}", seconds_text(slowest.rename_s),
                               facts.ranks.size() == 1 ? "" : " on the slowest rank");
  finding.numbers = {{"seconds", slowest.rename_s}};
  if (slowest.rename_s < kSlow) return finding;
  finding.verdict = Verdict::warning;
  finding.figure += fmt::format(" ({})", slowest.host);
  finding.remedy = "the file system's servers are busy or far away: ask the site for a scratch file system";
  return finding;
}

Finding check_writing(const StorageFacts& facts, const std::optional<CheckpointNeed>& need,
                      const std::optional<double>& every_s) {
  double rate = 0;
  for (const StorageOfRank& rank : facts.ranks) rate += rank.write_bytes_per_s;
  Finding finding{kRunFolder, "write rate"};
  finding.numbers = {{"bytes_per_s", rate}};
  finding.figure =
      fmt::format("{}/s{}", bytes_text(rate), facts.ranks.size() == 1 ? "" : " of all ranks together");
  if (!need || rate <= 0) return finding;
  const double seconds = static_cast<double>(need->bytes) / rate;
  finding.numbers["checkpoint_s"] = seconds;
  finding.figure += fmt::format("; a checkpoint of {} takes {}", bytes_text(static_cast<double>(need->bytes)),
                                seconds_text(seconds));
  if (!every_s || *every_s <= 0) return finding;
  finding.figure += fmt::format(", and one is due every {}", seconds_text(*every_s));
  if (seconds < *every_s / 2) return finding;
  finding.verdict = Verdict::warning;
  finding.remedy =
      fmt::format("the run would be writing most of the time: checkpoint.every = {}min, or a faster place",
                  static_cast<long>(4 * seconds / 60) + 1);
  return finding;
}

Finding check_room(const StorageFacts& facts, const std::optional<CheckpointNeed>& need) {
  Finding finding{kRunFolder, "room"};
  const auto free = static_cast<double>(facts.free_bytes);
  finding.numbers = {{"free_bytes", free}};
  finding.figure = fmt::format("{} free", bytes_text(free));
  if (!need) return finding;
  const double all = need->all(), there = static_cast<double>(need->already),
               one = static_cast<double>(need->bytes);
  finding.numbers["wanted_bytes"] = all;
  finding.figure +=
      fmt::format("; {} checkpoints of {} take {}{}", need->checkpoints, bytes_text(one), bytes_text(all),
                  there > 0 ? fmt::format(", {} of it already", bytes_text(there)) : "");
  if (free + there >= all) return finding;
  finding.verdict = free < one && there < one ? Verdict::failed : Verdict::warning;
  finding.remedy =
      "saving fails once it is full: make room, lower checkpoint.keep_last, or set run.dir to a larger place";
  return finding;
}

// A file for each rank, a manifest, and folders.
Finding check_files(const StorageFacts& facts, const std::optional<CheckpointNeed>& need) {
  Finding finding{kRunFolder, "inodes"};
  if (!facts.free_files) return {kRunFolder, "inodes", Verdict::unknown, "not counted by this file system"};
  const auto free = static_cast<double>(*facts.free_files);
  finding.numbers = {{"free", free}};
  finding.figure = fmt::format("{} free", *facts.free_files);
  if (!need) return finding;
  constexpr double kOfARun = 16, kOfACheckpoint = 2;
  const double wanted = kOfARun + static_cast<double>(need->checkpoints) *
                                      (static_cast<double>(facts.ranks.size()) + kOfACheckpoint);
  finding.numbers["wanted"] = wanted;
  finding.figure += fmt::format("; the run makes {:.0f}", wanted);
  if (free >= wanted) return finding;
  finding.verdict = Verdict::failed;
  finding.remedy = "delete small files there, lower checkpoint.keep_last, or set run.dir to another place";
  return finding;
}

Finding check_quota(const StorageFacts& facts, const std::optional<CheckpointNeed>& need) {
  using Reserved = StorageFacts::Reserved;
  Finding finding{kRunFolder, "quota"};
  switch (facts.reserved) {
    case Reserved::yes:
      finding.figure = fmt::format("{} could be reserved at once",
                                   bytes_text(need->all() - static_cast<double>(need->already)));
      break;
    case Reserved::refused:
      finding.verdict = Verdict::failed;
      finding.may_pass = facts.may_pass;
      finding.figure =
          fmt::format("{} cannot be reserved: {}",
                      bytes_text(need->all() - static_cast<double>(need->already)), facts.why_not);
      finding.remedy =
          "quota -s or lfs quota tells what is left; ulimit -f limits files; lower checkpoint.keep_last, or "
          "set run.dir";
      break;
    case Reserved::not_offered:
      finding.verdict = Verdict::unknown;
      finding.figure = "this file system promises no room; quota -s or lfs quota tells yours";
      break;
    case Reserved::not_tried:
      finding.verdict = Verdict::unknown;
      finding.figure = !need                   ? "a run's settings (--config) tell what it needs"
                       : facts.kind == "tmpfs" ? "tmpfs has none"
                                               : "nothing was reserved";
      break;
  }
  return finding;
}

}  // namespace

Findings check_storage(const StorageFacts& facts, const std::optional<CheckpointNeed>& need,
                       const std::optional<double>& every_s) {
  Findings findings = {check_folder(facts)};
  if (findings.front().verdict == Verdict::failed) return findings;
  if (facts.ranks.size() > 1) findings.push_back(check_shared(facts));
  if (findings.back().verdict == Verdict::failed) return findings;
  findings.push_back(check_small_files(facts));
  findings.push_back(check_writing(facts, need, every_s));
  findings.push_back(check_room(facts, need));
  findings.push_back(check_files(facts, need));
  findings.push_back(check_quota(facts, need));
  return findings;
}

}  // namespace vitrail::launcher
