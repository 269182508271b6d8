#include "launcher/cli/command_line.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

#include "launcher/cli/config_file.hpp"
#include "launcher/cli/help.hpp"
#include "launcher/cli/version.hpp"
#include "launcher/options/option_synonyms.hpp"
#include "launcher/options/options.hpp"
#include "launcher/options/options_text.hpp"
#include "models/families/catalogue.hpp"

namespace vitrail::launcher {
namespace {

template <class... Values>
Error usage(fmt::format_string<Values...> format, Values&&... values) {
  return Error(ExitCode::usage, fmt::format(format, std::forward<Values>(values)...));
}

std::string assignment(const Setting& setting) {
  return fmt::format("{}: {}{}{}", setting.place, setting.label(), setting.is_flag ? " " : " = ",
                     setting.value);
}

Error unknown(const Setting& setting, const std::vector<Option>& options, const Command& command) {
  const Command* other = find_command(command.collects_for);
  std::vector<std::string> known;
  for (const Option& option : options) {
    const bool passed_on = other != nullptr && option.used_by(*other);
    if (setting.is_flag ? option.used_by(command) || passed_on : option.is_setting())
      known.push_back(option.key);
  }
  const std::string hint = key_hint(setting.key, known);
  return usage("{}: {}: unknown key{}", setting.place, setting.label(),
               hint.empty() ? fmt::format(" (vitrail {} --help lists them)", command.name) : hint);
}

// The commands that use an option, those that use most settings first. A flag may be declared by several.
std::vector<std::string> users_of(const Option& option, const std::vector<Option>& options) {
  std::vector<std::string> users;
  for (const Option& candidate : options) {
    if (candidate.key != option.key || candidate.about.help != option.about.help) continue;
    for (const Command* command : candidate.commands) users.push_back(command->name);
  }
  auto rest = users.begin();
  for (const char* name : {"launch", "train", "plan", "eval", "predict", "models", "bench", "import"}) {
    const auto found = std::find(rest, users.end(), name);
    if (found != users.end()) rest = std::rotate(rest, found, found + 1);
  }
  return users;
}

// A word that others have for a setting of this command may be a flag of another command: --ema, --output.
Error not_of_command(const Setting& setting, const Option& option, const Command& command,
                     const std::vector<Option>& options) {
  std::vector<std::string> known;
  for (const Option& candidate : options) {
    if (candidate.used_by(command)) known.push_back(candidate.key);
  }
  return usage("{}: {}: `vitrail {}` does not use this; it is of {}{}", setting.place, setting.label(),
               command.name, fmt::join(users_of(option, options), ", "), synonym_hint(setting.key, known));
}

// Applies settings to a command line and remembers which were given, and where last.
class Settings {
 public:
  Settings(CommandLine& line, const std::vector<Option>& options) : line_(line), options_(options) {}

  void apply_file(const std::string& path) {
    std::error_code unreadable;
    if (!std::filesystem::exists(path, unreadable))
      throw usage("command line: --config {}: there is no such file", path);
    if (std::filesystem::is_directory(path, unreadable))
      throw usage("command line: --config {}: it is a folder", path);
    for (const Setting& setting : read_config_file(path)) {
      const Option* option = find_option(options_, setting.key, *line_.command);
      if (option == nullptr) throw unknown(setting, options_, *line_.command);
      if (!option->is_setting())
        throw usage("{}: {}: a flag of the command line, no setting", setting.place, setting.key);
      apply(setting, *option);
    }
  }

  void apply_base(const SettingsMap& base) {
    for (const auto& [key, value] : base) {
      const Option* option = find_option(options_, key, *line_.command);
      if (option == nullptr || !option->used_by(*line_.command)) continue;
      if (!option->set(line_, value))
        throw usage("checkpoint: {} = {}: {}", key, value, option->refusal(value));
    }
  }

  void apply_flag(const Setting& setting) {
    const Command& command = *line_.command;
    const Option* option = find_option(options_, setting.key, command);
    if (option == nullptr) throw unknown(setting, options_, command);
    line_.flags_given.insert(setting.key);
    if (!option->used_by(command) && is_used_by(command.collects_for, setting.key)) return pass_on(setting);
    if (!option->used_by(command)) throw not_of_command(setting, *option, command, options_);
    apply(setting, *option);
    if (setting.key == "run.steps" && line_.config.run.steps > 0) replace_in_file("run.epochs");
    if (setting.key == "run.epochs" && line_.config.run.epochs > 0) replace_in_file("run.steps");
    if (is_used_by(command.passes_to, setting.key)) pass_on(setting);
  }

  // timm's names hold an image size, which counts where nothing else gives one.
  void take_image_size_of_name(const SettingsMap& base) {
    const Option* option = find_option(options_, "model.image_size", *line_.command);
    if (!option->used_by(*line_.command) || given_.contains(option) || base.contains(option->key)) return;
    line_.config.model.image_size = models::image_size_of_name(line_.config.model.name);
  }

  // data.val = '' switches evaluations off, whatever files say of them.
  void drop_evaluations() {
    const auto val = given_.find(find_option(options_, "data.val", *line_.command));
    if (val == given_.end() || !val->second.value.empty()) return;
    const CommandLine usual(*line_.command);
    std::erase_if(given_, [&](const auto& given) {
      const Option& option = *given.first;
      const Condition* condition = option.used_by(*line_.command) ? option.unmet(line_) : nullptr;
      if (given.second.is_flag || condition == nullptr || condition->key != "data.val") return false;
      option.set(line_, option.get(usual).value_or(""));
      return true;
    });
  }

  // A setting that changes nothing is a misunderstanding: better now than after a week of training.
  void refuse_unused() const {
    for (const auto& [option, setting] : given_) {
      const Condition* condition = option->used_by(*line_.command) ? option->unmet(line_) : nullptr;
      if (condition == nullptr) continue;
      const std::string where = fmt::format("{}: {}: nothing uses this", setting.place, setting.label());
      const Option* decides = find_option(options_, condition->key, *line_.command);
      if (decides == nullptr) throw usage("{} without {}", where, condition->text);
      const std::string value = decides->get(line_).value_or("");
      throw usage("{} when {}{}{} (it needs {})", where, decides->key, value.empty() ? " is empty" : " = ",
                  value, condition->text);
    }
  }

  void require() const {
    const Command& command = *line_.command;
    const bool without_settings = command.lacks_settings != nullptr && command.lacks_settings(line_);
    for (const Option& option : options_) {
      if (!option.about.required || !option.used_by(*line_.command) ||
          !option.get(line_).value_or("").empty() || (option.is_setting() && without_settings))
        continue;
      throw usage("command line: `vitrail {}` needs {}{} {}: {}", line_.command->name,
                  option.is_setting() ? "" : "--", option.key, option.about.placeholder, option.about.help);
    }
  }

 private:
  bool is_used_by(const std::string& command, const std::string& key) const {
    const Command* other = find_command(command);
    if (other == nullptr) return false;
    const Option* option = find_option(options_, key, *other);
    return option != nullptr && option->used_by(*other);
  }

  void pass_on(const Setting& setting) {
    line_.passed_on.insert(line_.passed_on.end(), setting.words.begin(), setting.words.end());
  }

  // A length given as a flag takes the place of the file's, whichever of the two ways it is counted in.
  void replace_in_file(const std::string& key) {
    const Option* option = find_option(options_, key, *line_.command);
    const auto given = given_.find(option);
    if (given == given_.end() || given->second.is_flag) return;
    option->set(line_, "0");
    given_.erase(given);
  }

  void apply(const Setting& setting, const Option& option) {
    if (!option.set(line_, setting.value))
      throw usage("{}: {}", assignment(setting), option.refusal(setting.value));
    given_.insert_or_assign(&option, setting);
  }

  CommandLine& line_;
  const std::vector<Option>& options_;
  std::map<const Option*, Setting> given_;  // in the order of the table
};

// In the order of the table.
std::vector<std::pair<std::string, std::string>> used_settings(const CommandLine& line) {
  std::vector<std::pair<std::string, std::string>> settings;
  for (const Option& option : make_options()) {
    const std::optional<std::string> value = option.get(line);
    if (!option.is_setting() || !option.used_by(*line.command) || option.unmet(line) || !value) continue;
    settings.emplace_back(option.key, *value);
  }
  return settings;
}

void take_arguments(CommandLine& line, std::vector<std::string> arguments) {
  const Command& command = *line.command;
  const auto form = [&] { return fmt::format("vitrail {} {}", command.name, command.usage); };
  if (arguments.size() > command.most_arguments) {
    throw usage("command line: {}: a word without a key that nothing takes; usage: {}",
                arguments[command.most_arguments], form());
  }
  if (arguments.size() < command.least_arguments)
    throw usage("command line: too few words; usage: {}", form());
  line.arguments = std::move(arguments);
  if (command.take != nullptr) command.take(line);
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& words, const SettingsMap& base) {
  CommandLine line;
  if (words.empty()) line.answer = Answer{help_text(), ExitCode::usage};
  if (!words.empty() && (words[0] == "--help" || words[0] == "-h")) line.answer = Answer{help_text()};
  if (!words.empty() && words[0] == "--version") line.answer = Answer{version_text()};
  if (line.answer) return line;

  line = CommandLine(command_named(words.front()));
  const std::vector<Option> options = make_options();
  const Words given = split_flags({words.begin() + 1, words.end()}, options);
  const auto asks_for_help = [](const Setting& flag) { return flag.key == "help"; };
  if (std::any_of(given.flags.begin(), given.flags.end(), asks_for_help)) {
    line.answer = Answer{help_text(*line.command, options)};
    return line;
  }
  Settings settings(line, options);
  settings.apply_base(base);
  for (const Setting& flag : given.flags) {
    if (flag.key != "config") continue;
    const std::size_t files = line.config_files.size();
    settings.apply_flag(flag);
    if (line.config_files.size() > files) settings.apply_file(flag.value);  // else it is kept for others
  }
  for (const Setting& flag : given.flags) {
    if (flag.key != "config") settings.apply_flag(flag);
  }
  take_arguments(line, given.arguments);
  settings.take_image_size_of_name(base);
  settings.drop_evaluations();
  settings.refuse_unused();
  if (line.print_config) {
    line.answer = Answer{print_config(line)};
    return line;
  }
  settings.require();
  if (line.command->check != nullptr) line.command->check(line);
  return line;
}

std::string flag_in(const std::vector<std::string>& words, const std::string& key) {
  if (words.empty()) return "";
  std::string value;
  for (const Setting& flag : split_flags({words.begin() + 1, words.end()}, make_options()).flags) {
    if (flag.key == key) value = flag.value;
  }
  return value;
}

SettingsMap resolved_settings(const CommandLine& line) {
  const auto settings = used_settings(line);
  return {settings.begin(), settings.end()};
}

std::string print_config(const CommandLine& line) { return trainer::ini_text(used_settings(line)); }

}  // namespace vitrail::launcher
