// How facts travel between ranks: as JSON, in which what is not known is null.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "sharding/agreement/gather_text.hpp"

namespace nlohmann {

template <class T>
struct adl_serializer<std::optional<T>> {
  static void to_json(json& out, const std::optional<T>& value) {
    if (value) {
      out = *value;
    } else {
      out = nullptr;
    }
  }
  static void from_json(const json& in, std::optional<T>& value) {
    if (in.is_null()) {
      value.reset();
    } else {
      value = in.get<T>();
    }
  }
};

}  // namespace nlohmann

namespace vitrail::launcher {

// Those of every rank, by rank. Collective.
template <class Facts>
std::vector<Facts> gather_facts(sharding::Communicator& ranks, const Facts& own) {
  std::vector<Facts> all;
  for (const std::string& text : sharding::gather_text(
           ranks, nlohmann::json(own).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)))
    all.push_back(nlohmann::json::parse(text).get<Facts>());
  return all;
}

}  // namespace vitrail::launcher
