#include "launcher/sweep/plan.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>

#include "launcher/cli/command_line.hpp"
#include "launcher/options/option_synonyms.hpp"
#include "launcher/options/options.hpp"
#include "launcher/options/options_text.hpp"
#include "launcher/sweep/values.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::launcher {
namespace {

using TaskRow = std::vector<std::pair<std::string, std::string>>;  // some of a task's settings

constexpr std::size_t kMostTasks = 100'000;
constexpr std::size_t kLongestName = 120;

Error wrong(const std::string& place, const std::string& what) {
  return Error(ExitCode::usage, fmt::format("{}: {}", place, what));
}

// One line of the file: what varies, and how.
struct Axis {
  std::string key, text, place;
};

struct GridFile {
  std::vector<Axis> grid, zip, random;
  std::vector<std::string> keys;
  std::optional<std::uint64_t> count, seed;
};

std::uint64_t read_count(const Setting& line, std::uint64_t least) {
  std::uint64_t value = 0;
  if (trainer::read(line.value, value) && value >= least && value <= kMostTasks) return value;
  throw wrong(line.place, fmt::format("{} = {}: expected a whole number, {} to {}", line.key, line.value,
                                      least, kMostTasks));
}

GridFile read_grid_file(const std::string& path, const std::string& text) {
  GridFile file;
  std::map<std::string, std::string> places;
  for (const Setting& line : split_file(path, text)) {
    if (const auto [earlier, is_new] = places.emplace(line.key.substr(line.key.find('.') + 1), line.place);
        !is_new) {
      throw wrong(line.place, fmt::format("{}: varies already at {}", earlier->first, earlier->second));
    }
    const std::size_t dot = line.key.find('.');
    const std::string section = line.key.substr(0, dot), key = line.key.substr(dot + 1);
    std::vector<Axis>* axes = section == "grid"     ? &file.grid
                              : section == "zip"    ? &file.zip
                              : section == "random" ? &file.random
                                                    : nullptr;
    if (dot == std::string::npos || axes == nullptr)
      throw wrong(line.place, fmt::format("{}: expected it below [grid], [zip] or [random]", line.key));
    if (axes == &file.random && key == "count") {
      file.count = read_count(line, 1);
    } else if (axes == &file.random && key == "seed") {
      file.seed = read_count(line, 0);
    } else {
      axes->push_back({key, line.value, line.place});
      file.keys.push_back(key);
    }
  }
  if (file.keys.empty())
    throw wrong(path, "nothing varies: expected [grid], [zip] or [random] with a setting");
  if (file.random.empty() && (file.count || file.seed))
    throw wrong(path, "[random] has nothing to draw: expected a setting");
  if (!file.random.empty() && !file.count)
    throw wrong(path, "[random]: count is missing: how many tasks to draw");
  return file;
}

// The value as the option table writes it, so that 1e-3 and 0.001 are one setting.
std::string checked_value(const Axis& axis, const std::string& value, const std::vector<Option>& options) {
  const Command& launch = command_named("launch");
  const Option* option = find_option(options, axis.key, launch);
  if (option == nullptr || !option->is_setting() || !option->used_by(launch)) {
    std::vector<std::string> known;
    for (const Option& other : options) {
      if (other.is_setting() && other.used_by(launch)) known.push_back(other.key);
    }
    throw wrong(axis.place, fmt::format("{}: no setting of a run{}", axis.key, key_hint(axis.key, known)));
  }
  if (axis.key == "run.dir" || axis.key == "run.name")
    throw wrong(axis.place,
                fmt::format("{}: every task has a folder of its own, named by its settings", axis.key));
  if (axis.key.starts_with("launch."))
    throw wrong(axis.place,
                fmt::format("{}: how ranks are started changes no result; give --{} beside the file",
                            axis.key, axis.key));
  CommandLine line(launch);
  if (!option->set(line, value))
    throw wrong(axis.place, fmt::format("{} = {}: expected {}", axis.key, value, option->expected()));
  return option->get(line).value_or(value);
}

std::vector<TaskRow> grid_rows(const std::vector<Axis>& axes, const std::vector<Option>& options) {
  std::vector<TaskRow> rows = {{}};
  for (const Axis& axis : axes) {
    const auto values = split_values(axis.text, axis.place);
    if (rows.size() * values.size() > kMostTasks)
      throw wrong(axis.place, fmt::format("more than {} tasks", kMostTasks));
    std::vector<TaskRow> longer;
    for (const TaskRow& row : rows) {
      for (const std::string& value : values) {
        longer.push_back(row);
        longer.back().emplace_back(axis.key, checked_value(axis, value, options));
      }
    }
    rows = std::move(longer);
  }
  return rows;
}

std::vector<TaskRow> zip_rows(const std::vector<Axis>& axes, const std::vector<Option>& options) {
  if (axes.empty()) return {{}};
  std::vector<TaskRow> rows(split_values(axes.front().text, axes.front().place).size());
  for (const Axis& axis : axes) {
    const auto values = split_values(axis.text, axis.place);
    if (values.size() != rows.size()) {
      throw wrong(axis.place,
                  fmt::format("{} has {} values, {} ({}) has {}: [zip] takes one of each at a time", axis.key,
                              values.size(), axes.front().key, axes.front().place, rows.size()));
    }
    for (std::size_t i = 0; i < rows.size(); ++i)
      rows[i].emplace_back(axis.key, checked_value(axis, values[i], options));
  }
  return rows;
}

// Different ones: what was drawn before is passed over.
std::vector<TaskRow> random_rows(const GridFile& file, const std::vector<Option>& options) {
  if (file.random.empty()) return {{}};
  constexpr std::uint64_t kFruitless = 1000;  // draws in a row that bring nothing new
  std::vector<DrawLaw> laws;
  for (const Axis& axis : file.random) laws.emplace_back(axis.key, axis.text, axis.place);
  std::vector<TaskRow> rows;
  std::set<TaskRow> drawn;
  std::uint64_t last_new = 0;
  for (std::uint64_t draw = 0; rows.size() < *file.count; ++draw) {
    TaskRow row;
    for (std::size_t i = 0; i < laws.size(); ++i) {
      const Axis& axis = file.random[i];
      row.emplace_back(axis.key, checked_value(axis, laws[i].draw(file.seed.value_or(0), draw), options));
    }
    if (drawn.insert(row).second) {
      rows.push_back(row);
      last_new = draw;
    }
    if (draw - last_new == kFruitless) {
      throw wrong(
          file.random.front().place,
          fmt::format("[random] has no {} different draws, it seems to have {}", *file.count, rows.size()));
    }
  }
  return rows;
}

std::vector<TaskRow> product(const std::vector<TaskRow>& a, const std::vector<TaskRow>& b,
                             const std::string& path) {
  if (a.size() * b.size() > kMostTasks) throw wrong(path, fmt::format("more than {} tasks", kMostTasks));
  std::vector<TaskRow> all;
  for (const TaskRow& x : a) {
    for (const TaskRow& y : b) {
      all.push_back(x);
      all.back().insert(all.back().end(), y.begin(), y.end());
    }
  }
  return all;
}

// A key's last word, or all of it where two have that in common.
std::string short_key(const std::string& key, const std::vector<std::string>& keys) {
  const auto word = [](const std::string& k) { return k.substr(k.rfind('.') + 1); };
  const auto alike = std::ranges::count_if(keys, [&](const std::string& k) { return word(k) == word(key); });
  return alike > 1 ? key : word(key);
}

// What a folder's name cannot hold, or is too long, is told apart by a hash.
std::string name_of(const TaskRow& settings, const std::vector<std::string>& keys) {
  constexpr std::size_t kHashDigits = 8;
  std::string exact, plain;
  for (const auto& [key, value] : settings) {
    exact += fmt::format("{}{}-{}", exact.empty() ? "" : "_", short_key(key, keys), value);
  }
  for (const char c : exact) {
    const bool is_plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-' || c == '+';
    plain += is_plain ? c : '-';
  }
  if (plain == exact && plain.size() <= kLongestName) return plain;
  return plain.substr(0, kLongestName - kHashDigits - 1) + "-" +
         hash_text(exact).hex().substr(0, kHashDigits);
}

}  // namespace

std::string array_ranges(const std::vector<std::size_t>& numbers) {
  std::string text;
  for (std::size_t begin = 0, end = 0; begin < numbers.size(); begin = end) {
    for (end = begin + 1; end < numbers.size() && numbers[end] == numbers[end - 1] + 1;) ++end;
    text += fmt::format("{}{}", text.empty() ? "" : ",", numbers[begin]);
    if (end - begin > 1) text += fmt::format("-{}", numbers[end - 1]);
  }
  return text;
}

SweepPlan plan_sweep(const std::string& path, const std::string& text, const std::vector<Option>& options) {
  const GridFile file = read_grid_file(path, text);
  const auto fixed = product(grid_rows(file.grid, options), zip_rows(file.zip, options), path);
  SweepPlan plan;
  std::map<TaskRow, std::size_t> seen;
  for (TaskRow& row : product(fixed, random_rows(file, options), path)) {
    const auto [earlier, is_new] = seen.emplace(row, plan.tasks.size());
    if (!is_new) {
      throw wrong(path, fmt::format("tasks {} and {} have the same settings: {}", earlier->second,
                                    plan.tasks.size(), name_of(row, file.keys)));
    }
    std::string name = name_of(row, file.keys);
    plan.tasks.push_back({std::move(row), std::move(name)});
  }
  for (const auto& [key, value] : plan.tasks.front().settings) plan.keys.push_back(key);
  return plan;
}

}  // namespace vitrail::launcher
