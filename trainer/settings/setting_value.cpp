#include "trainer/settings/setting_value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "trainer/base/text/utf8.hpp"

namespace vitrail::trainer {
namespace {

template <class T>
bool read_number(const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && rest == end;
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

const Form kWholeNumber{"N", "a whole number"};
const Form kText{"TEXT", "UTF-8 text without '#', line breaks or blanks at its ends"};

}  // namespace

bool read(const std::string& text, std::int64_t& value) { return read_number(text, value); }
bool read(const std::string& text, std::uint64_t& value) { return read_number(text, value); }
bool read(const std::string& text, double& value) { return read_number(text, value) && std::isfinite(value); }

bool read(const std::string& text, std::optional<std::int64_t>& value) {
  std::int64_t number = 0;
  if (!read_number(text, number)) return false;
  value = number;
  return true;
}

bool read(const std::string& text, std::optional<double>& value) {
  double number = 0;
  if (!read(text, number)) return false;
  value = number;
  return true;
}

bool read(const std::string& text, bool& value) {
  value = text == "true";
  return text == "true" || text == "false";
}

// Nothing that an INI file would drop: a setting must survive being saved and read again.
bool read(const std::string& text, std::string& value) {
  const auto breaks = [](char c) { return c == '#' || c == '\x7f' || (c >= 0 && c < ' ' && c != '\t'); };
  const bool padded = !text.empty() && (is_blank(text.front()) || is_blank(text.back()));
  if (padded || !is_utf8(text) || std::any_of(text.begin(), text.end(), breaks)) return false;
  value = text;
  return true;
}

bool read(const std::string& text, Duration& value) {
  const std::optional<Duration> duration = parse_duration(text);
  if (duration) value = *duration;
  return duration.has_value();
}

bool read(const std::string& text, ChannelValues& value) {
  const std::optional<ChannelValues> values = parse_channel_values(text);
  if (values) value = *values;
  return values.has_value();
}

bool read(const std::string& text, std::vector<std::string>& value) {
  value.push_back(text);
  return true;
}

std::optional<std::string> show(std::int64_t value) { return fmt::to_string(value); }
std::optional<std::string> show(std::uint64_t value) { return fmt::to_string(value); }
std::optional<std::string> show(double value) { return fmt::to_string(value); }  // shortest that reads back
std::optional<std::string> show(bool value) { return value ? "true" : "false"; }
std::optional<std::string> show(const std::string& value) { return value; }
std::optional<std::string> show(const Duration& value) { return format(value); }
std::optional<std::string> show(const ChannelValues& value) { return format(value); }
std::optional<std::string> show(const std::vector<std::string>&) { return std::nullopt; }

std::optional<std::string> show(const std::optional<std::int64_t>& value) {
  return value ? show(*value) : std::nullopt;
}

std::optional<std::string> show(const std::optional<double>& value) {
  return value ? show(*value) : std::nullopt;
}

Form form_of(std::int64_t) { return kWholeNumber; }
Form form_of(std::uint64_t) { return {"N", "a whole number, 0 to 18446744073709551615"}; }
Form form_of(const std::optional<std::int64_t>&) { return kWholeNumber; }
Form form_of(double) { return {"X", "a number"}; }
Form form_of(const std::optional<double>&) { return form_of(double()); }
Form form_of(bool) { return {"true|false", "true or false"}; }
Form form_of(const std::string&) { return kText; }
Form form_of(const Duration&) { return {"TIME", "a length of training: 5ep, 1000st, 30s, 10min or 2h"}; }
Form form_of(const ChannelValues&) { return {"R,G,B", "three numbers between commas"}; }
Form form_of(const std::vector<std::string>&) { return kText; }

}  // namespace vitrail::trainer
