// The time of day, for people and for records; nothing is ever decided by it.
#pragma once

#include <optional>
#include <string>

namespace vitrail {

std::string local_time();                                       // "2026-11-29 02:15:16"
std::string utc_time();                                         // ISO 8601: "2026-11-29T02:15:16.123Z"
std::optional<double> seconds_of_utc(const std::string& text);  // since 1970, of such a text

}  // namespace vitrail
