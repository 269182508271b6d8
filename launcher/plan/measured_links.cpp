#include "launcher/plan/measured_links.hpp"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::launcher {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "vitrail links 1";

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

std::string to_text(const MeasuredLinks& links) {
  const Json json = {{"format", kFormat},
                     {"node_gb_per_s", or_null(links.node_gb_per_s)},
                     {"node_us", or_null(links.node_us)},
                     {"network_gb_per_s", or_null(links.network_gb_per_s)},
                     {"network_us", or_null(links.network_us)},
                     {"device", links.device},
                     {"ranks", links.ranks},
                     {"nodes", links.nodes},
                     {"date", links.date}};
  return json.dump(2) + "\n";
}

MeasuredLinks read_links(const std::filesystem::path& file) {
  const auto refuse = [&](const std::string& why) {
    return Error(ExitCode::bad_data, fmt::format("{}: no file of measured links: {}", file.string(), why),
                 "vitrail doctor --links FILE, on the ranks of a job, writes one");
  };
  const std::string text = read_text(file);
  try {
    const Json json = Json::parse(text);
    if (json.at("format") != kFormat) throw refuse(fmt::format("it does not say \"{}\"", kFormat));
    const auto number = [&](const char* key) -> std::optional<double> {
      if (json.at(key).is_null()) return std::nullopt;
      const double value = json.at(key);
      if (!std::isfinite(value) || value <= 0) throw refuse(fmt::format("{} = {}", key, value));
      return value;
    };
    return {number("node_gb_per_s"), number("node_us"), number("network_gb_per_s"), number("network_us"),
            json.at("device"),       json.at("ranks"),  json.at("nodes"),           json.at("date")};
  } catch (const Json::exception& e) {
    throw refuse(e.what());
  }
}

}  // namespace vitrail::launcher
