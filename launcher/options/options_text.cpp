#include "launcher/options/options_text.hpp"

#include <algorithm>
#include <set>
#include <sstream>
#include <string_view>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "launcher/cli/command_line.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {
namespace {

namespace po = boost::program_options;

po::options_description describe(const std::vector<Option>& options) {
  po::options_description description;
  std::set<std::string> seen;  // commands may share a flag's name
  for (const Option& option : options) {
    if (!seen.insert(option.key).second) continue;
    const std::string name =
        option.about.letter ? fmt::format("{},{}", option.key, option.about.letter) : option.key;
    if (option.is_switch) {
      description.add_options()(name.c_str(), "");
    } else {
      description.add_options()(name.c_str(), po::value<std::string>(), "");
    }
  }
  return description;
}

// The option that a word such as "--run.lanes", "--run.lanes=4" or "-n" is a flag of; null: of none.
const Option* option_of_flag(const std::string& word, const std::vector<Option>& options) {
  const std::string flag = word.substr(0, word.find('='));
  const auto found = std::find_if(options.begin(), options.end(), [&](const Option& option) {
    return flag == "--" + option.key ||
           (option.about.letter && flag == std::string("-") + option.about.letter);
  });
  return found == options.end() ? nullptr : &*found;
}

Error missing_value(const std::string& flag, const std::vector<Option>& options) {
  const Option* option = option_of_flag(flag, options);
  return Error(ExitCode::usage, fmt::format("command line: {}: a value is missing{}", flag,
                                            option == nullptr ? "" : ": expected " + option->expected()));
}

Error not_a_flag(const po::invalid_command_line_syntax& error, const std::vector<Option>& options) {
  const std::string flag = error.get_option_name();
  if (error.kind() != po::invalid_command_line_syntax::extra_parameter) return missing_value(flag, options);
  return Error(ExitCode::usage, fmt::format("command line: {} stands alone: it takes no value", flag));
}

// A flag that may stand alone is given its value, unless the next word can be that.
std::vector<std::string> completed(std::vector<std::string> words, const std::vector<Option>& options) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Option* option = option_of_flag(words[i], options);
    if (option == nullptr || option->about.alone.empty() || words[i].find('=') != std::string::npos) continue;
    CommandLine scratch;
    if (i + 1 == words.size() || !option->set(scratch, words[i + 1])) words[i] += "=" + option->about.alone;
  }
  return words;
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") + 1 - first);
}

// The options that Boost finds in a piece of an INI file: none or one, as we feed it.
std::vector<po::option> parse_ini(const std::string& text, const std::string& line,
                                  const std::string& place) {
  std::istringstream stream(text);
  try {
    return po::parse_config_file(stream, po::options_description(), true).options;
  } catch (const po::invalid_config_file_syntax&) {
    throw Error(ExitCode::usage,
                fmt::format("{}: {}: expected [section], key = value or # comment", place, line));
  }
}

}  // namespace

std::string Setting::label() const {
  const bool dashed = !is_flag || key.starts_with('-');  // an unknown short flag keeps its dash
  return dashed ? key : "--" + key;
}

Words split_flags(const std::vector<std::string>& words, const std::vector<Option>& options) {
  const po::options_description description = describe(options);
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  Words result;
  try {
    const auto parsed = po::command_line_parser(completed(words, options))
                            .options(description)
                            .style(style)
                            .allow_unregistered()
                            .run();
    for (const po::option& option : parsed.options) {
      if (option.string_key.empty()) {
        result.arguments.insert(result.arguments.end(), option.value.begin(), option.value.end());
        continue;
      }
      // Boost takes any next word as the value; a flag there means that the value was forgotten.
      const std::vector<std::string>& tokens = option.original_tokens;
      if (tokens.size() == 2 && option_of_flag(tokens[1], options)) throw missing_value(tokens[0], options);
      result.flags.push_back({.key = option.string_key,
                              .value = option.value.empty() ? "true" : option.value.front(),
                              .place = "command line",
                              .is_flag = true,
                              .words = tokens});
    }
  } catch (const po::invalid_command_line_syntax& error) {
    throw not_a_flag(error, options);
  }
  return result;
}

// Boost doesn't tell line numbers, so it is given one line at a time, under the section it stands in.
std::vector<Setting> split_file(const std::string& path, const std::string& text) {
  std::vector<Setting> settings;
  std::istringstream lines(text);
  std::string line, section;
  for (int number = 1; std::getline(lines, line); ++number) {
    const std::string place = fmt::format("{}:{}", path, number);
    const std::string content = trimmed(line);
    if (content.starts_with('[')) section = content + "\n";
    for (const po::option& option : parse_ini(section + content, content, place)) {
      settings.push_back({.key = option.string_key, .value = option.value.front(), .place = place});
    }
  }
  return settings;
}

}  // namespace vitrail::launcher
