#include "trainer/device/device_line.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace vitrail::trainer {
namespace {

std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

std::string device_line(const std::vector<DevicePlace>& ranks, std::string_view exchange) {
  std::set<std::string> nodes, gpus;
  std::vector<std::string> names;
  for (const DevicePlace& rank : ranks) {
    nodes.insert(rank.host);
    if (!rank.on_bus.empty()) gpus.insert(rank.host + '\n' + rank.on_bus);
    if (std::ranges::find(names, rank.name) == names.end()) names.push_back(rank.name);
  }
  std::string text = "device: ";
  for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : " and ") + names[i];
  text += ", ";
  if (gpus.empty()) {
    text += counted(ranks.size(), "rank");
  } else {
    text += std::to_string(gpus.size());
  }
  if (ranks.size() > 1 || !gpus.empty()) text += " on " + counted(nodes.size(), "node");
  if (!gpus.empty() && gpus.size() != ranks.size()) text += " for " + counted(ranks.size(), "rank");
  if (!exchange.empty()) text += fmt::format(", exchange {}", exchange);
  return text;
}

}  // namespace vitrail::trainer
