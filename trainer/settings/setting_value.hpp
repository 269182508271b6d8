// Text to value and back, one pair of overloads for each type a setting can have. read() takes the whole text
// or answers false; show() prints what read() takes back to the same bits; absent values show as nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trainer/base/normalisation.hpp"
#include "trainer/base/text/duration.hpp"

namespace vitrail::trainer {

// How help and errors speak of a type.
struct Form {
  std::string placeholder;  // "N"
  std::string words;        // "a whole number"
};

bool read(const std::string& text, std::int64_t& value);
bool read(const std::string& text, std::uint64_t& value);
bool read(const std::string& text, std::optional<std::int64_t>& value);
bool read(const std::string& text, double& value);  // finite
bool read(const std::string& text, std::optional<double>& value);
bool read(const std::string& text, bool& value);
bool read(const std::string& text, std::string& value);  // what an INI line can hold
bool read(const std::string& text, Duration& value);
bool read(const std::string& text, ChannelValues& value);
bool read(const std::string& text, std::vector<std::string>& value);  // appends

std::optional<std::string> show(std::int64_t value);
std::optional<std::string> show(std::uint64_t value);
std::optional<std::string> show(const std::optional<std::int64_t>& value);
std::optional<std::string> show(double value);
std::optional<std::string> show(const std::optional<double>& value);
std::optional<std::string> show(bool value);
std::optional<std::string> show(const std::string& value);
std::optional<std::string> show(const Duration& value);
std::optional<std::string> show(const ChannelValues& value);
std::optional<std::string> show(const std::vector<std::string>& value);  // nothing: lists are flags only

Form form_of(std::int64_t);
Form form_of(std::uint64_t);
Form form_of(const std::optional<std::int64_t>&);
Form form_of(double);
Form form_of(const std::optional<double>&);
Form form_of(bool);
Form form_of(const std::string&);
Form form_of(const Duration&);
Form form_of(const ChannelValues&);
Form form_of(const std::vector<std::string>&);

inline bool is_time(const Duration& duration) { return duration.unit == Duration::Unit::seconds; }
inline bool counts_images(const Duration& duration) { return !is_time(duration); }

// What bounds are compared with; nothing for types without an order.
template <class T>
std::optional<double> magnitude(const T& value) {
  if constexpr (std::is_same_v<T, std::optional<std::int64_t>> || std::is_same_v<T, std::optional<double>>) {
    return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<double>(value);
  } else {
    return std::nullopt;
  }
}

}  // namespace vitrail::trainer
