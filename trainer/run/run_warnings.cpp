#include "trainer/run/run_warnings.hpp"

#include <bit>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

#include <fmt/format.h>

#include "datasets/source_dataset.hpp"
#include "sharding/agreement/gather_text.hpp"
#include "sharding/agreement/nodes.hpp"
#include "trainer/base/processors.hpp"
#include "trainer/base/text/number.hpp"

namespace vitrail::trainer {
namespace {

RankShare parse_share(const std::string& text) {
  RankShare share;
  std::istringstream lines(text);
  std::string count;
  std::getline(lines, share.host);
  std::getline(lines, share.mask);
  std::getline(lines, count);
  share.count = whole_number<std::int64_t>(count).value_or(1);
  return share;
}

// "8 compute threads (2 ranks x run.threads = 4)"; empty where they fit.
std::string too_many(std::int64_t processors, std::int64_t ranks, const char* kind, const char* key,
                     std::int64_t each) {
  if (ranks * each <= processors) return "";
  return fmt::format("{} {} threads ({}{} = {})", ranks * each, kind,
                     ranks == 1 ? "" : fmt::format("{} ranks x ", ranks), key, each);
}

}  // namespace

std::string uneven_lanes(std::int64_t lanes, std::int64_t ranks) {
  if (ranks < 1 || ranks > lanes || lanes % ranks == 0) return "";
  const std::int64_t most = (lanes + ranks - 1) / ranks;
  const auto below = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(ranks)));
  const std::int64_t idle = 100 * (ranks * most - lanes) / (ranks * most);
  return fmt::format(
      "{} ranks share {} micro-batches (run.lanes) unevenly: {} of them compute {} a step and the others {}, "
      "so "
      "{} % of the ranks' time is spent waiting; {} or {} ranks share them evenly",
      ranks, lanes, lanes - ranks * (most - 1), most, most - 1, idle, below, 2 * below);
}

std::string unpacked_data(const datasets::DataConfig& data) {
  if (!datasets::is_direct_source(data.train)) return "";
  return fmt::format(
      "data.train = {} is read as it lies, a file or a place in a tar for each image; a pack is read in "
      "large pieces, checks every record and leaves damaged images out: vitrail pack --source {} --output "
      "PACK; the run ends with the same bits unless images are damaged, which are replaced here",
      data.train, data.train);
}

std::vector<std::string> crowded(const std::vector<RankShare>& ranks, std::int64_t threads,
                                 std::int64_t workers) {
  std::map<std::tuple<std::string, std::string, std::int64_t>, std::int64_t> groups;
  for (const RankShare& rank : ranks) ++groups[{rank.host, rank.mask, rank.count}];
  std::vector<std::string> lines;
  std::set<std::string> said;  // once for nodes that are alike
  for (const auto& [group, count] : groups) {
    const std::int64_t processors = std::get<2>(group);
    std::string text = too_many(processors, count, "compute", "run.threads", threads);
    const std::string loaders = too_many(processors, count, "loader", "data.workers", workers);
    if (!text.empty() && !loaders.empty()) text += " and ";
    text += loaders;
    if (text.empty()) continue;
    text +=
        fmt::format(" for {} processor{}; {} would fit", processors, processors == 1 ? "" : "s",
                    processors < count ? "fewer ranks" : fmt::format("at most {} each", processors / count));
    if (said.insert(text).second) lines.push_back(fmt::format("{}: {}", std::get<0>(group), text));
  }
  return lines;
}

std::vector<std::string> run_warnings(const Config& config, sharding::Communicator& communicator) {
  const Processors own = processors();
  std::vector<RankShare> ranks;
  for (const std::string& text : sharding::gather_text(
           communicator, fmt::format("{}\n{}\n{}", sharding::host_name(), own.mask, own.count()))) {
    ranks.push_back(parse_share(text));
  }
  std::vector<std::string> lines = crowded(ranks, config.run.threads, config.data.workers);
  const std::string uneven = uneven_lanes(config.lane_groups(), communicator.size());
  if (!uneven.empty()) lines.insert(lines.begin(), uneven);
  if (const std::string unpacked = unpacked_data(config.data); !unpacked.empty()) lines.push_back(unpacked);
  return lines;
}

}  // namespace vitrail::trainer
