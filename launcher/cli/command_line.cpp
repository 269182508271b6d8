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
#include "trainer/settings/validate.hpp"

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

Error unknown(const Setting& setting, const std::vector<Option>& options, Command command) {
  std::vector<std::string> known;
  for (const Option& option : options) {
    const bool passed_on = command == Command::sweep && option.used_by(Command::launch);
    if (setting.is_flag ? option.used_by(command) || passed_on : option.is_setting())
      known.push_back(option.key);
  }
  const std::string hint = key_hint(setting.key, known);
  return usage("{}: {}: unknown key{}", setting.place, setting.label(),
               hint.empty() ? fmt::format(" (vitrail {} --help lists them)", info_of(command).name) : hint);
}

// A word that others have for a setting of this command may be a flag of another command: --ema, --output.
Error not_of_command(const Setting& setting, const Option& option, Command command,
                     const std::vector<Option>& options) {
  std::vector<std::string> known;
  for (const Option& candidate : options) {
    if (candidate.used_by(command)) known.push_back(candidate.key);
  }
  std::string others;
  for (const Command other : option.commands) {
    others += fmt::format("{}{}", others.empty() ? "" : ", ", info_of(other).name);
  }
  return usage("{}: {}: `vitrail {}` does not use this; it is of {}{}", setting.place, setting.label(),
               info_of(command).name, others, synonym_hint(setting.key, known));
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
      const Option* option = find_option(options_, setting.key, line_.command);
      if (option == nullptr) throw unknown(setting, options_, line_.command);
      if (!option->is_setting())
        throw usage("{}: {}: a flag of the command line, no setting", setting.place, setting.key);
      apply(setting, *option);
    }
  }

  void apply_base(const SettingsMap& base) {
    for (const auto& [key, value] : base) {
      const Option* option = find_option(options_, key, line_.command);
      if (option == nullptr || !option->used_by(line_.command)) continue;
      if (!option->set(line_, value))
        throw usage("checkpoint: {} = {}: {}", key, value, option->refusal(value));
    }
  }

  void apply_flag(const Setting& setting) {
    const Option* option = find_option(options_, setting.key, line_.command);
    if (option == nullptr) throw unknown(setting, options_, line_.command);
    if (line_.command == Command::sweep && pass_on(setting)) return;
    if (!option->used_by(line_.command)) throw not_of_command(setting, *option, line_.command, options_);
    apply(setting, *option);
    if (setting.key == "run.steps") replace_in_file("run.epochs");
    if (setting.key == "run.epochs") replace_in_file("run.steps");
    line_.names_length |= setting.key == "run.steps" || setting.key == "run.epochs";
    if (line_.command == Command::launch && option->used_by(Command::train)) {
      line_.train_arguments.insert(line_.train_arguments.end(), setting.words.begin(), setting.words.end());
    }
  }

  // To each task's launch; false: a flag of the sweep itself.
  bool pass_on(const Setting& setting) {
    if (find_option(options_, setting.key, Command::sweep)->used_by(Command::sweep)) return false;
    if (!find_option(options_, setting.key, Command::launch)->used_by(Command::launch)) return false;
    if (setting.key == "run.dir" || setting.key == "run.name")
      throw usage("command line: --{}: every task of a sweep has its own; --output names the folder of all",
                  setting.key);
    line_.launch_arguments.insert(line_.launch_arguments.end(), setting.words.begin(), setting.words.end());
    return true;
  }

  // timm's names hold an image size, which counts where nothing else gives one.
  void take_image_size_of_name(const SettingsMap& base) {
    const Option* option = find_option(options_, "model.image_size", line_.command);
    if (!option->used_by(line_.command) || given_.contains(option) || base.contains(option->key)) return;
    const bool lists = line_.command == Command::models;
    line_.config.model.image_size =
        models::image_size_of_name(lists ? line_.flags.model : line_.config.model.name);
  }

  // A setting that changes nothing is a misunderstanding: better now than after a week of training.
  void refuse_unused() const {
    for (const auto& [option, setting] : given_) {
      const Condition* condition = option->used_by(line_.command) ? option->unmet(line_) : nullptr;
      if (condition == nullptr) continue;
      const std::string where = fmt::format("{}: {}: nothing uses this", setting.place, setting.label());
      const Option* decides = find_option(options_, condition->key, line_.command);
      if (decides == nullptr) throw usage("{} without {}", where, condition->text);
      const std::string value = decides->get(line_).value_or("");
      throw usage("{} when {}{}{} (it needs {})", where, decides->key, value.empty() ? " is empty" : " = ",
                  value, condition->text);
    }
  }

  void refuse_two_prints() const {
    if (line_.flags.print_config && line_.flags.print_schedule)
      throw usage("command line: --print-schedule and --print-config: each does nothing else; leave one out");
  }

  // A configuration may say what a run began from; beside the checkpoint to evaluate, a flag cannot.
  void refuse_two_weights() const {
    const auto weights = given_.find(find_option(options_, "model.weights", line_.command));
    if (!line_.flags.checkpoint.empty() && weights != given_.end() && weights->second.is_flag) {
      throw usage("command line: --checkpoint and --model.weights: weights from two places; leave one out");
    }
  }

  void require() const {
    for (const Option& option : options_) {
      if (!option.about.required || !option.used_by(line_.command) || !option.get(line_).value_or("").empty())
        continue;
      throw usage("command line: `vitrail {}` needs {}{} {}: {}", info_of(line_.command).name,
                  option.is_setting() ? "" : "--", option.key, option.about.placeholder, option.about.help);
    }
  }

 private:
  // A length given as a flag takes the place of the file's, whichever of the two ways it is counted in.
  void replace_in_file(const std::string& key) {
    const Option* option = find_option(options_, key, line_.command);
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
    if (!option.is_setting() || !option.used_by(line.command) || option.unmet(line) || !value) continue;
    settings.emplace_back(option.key, *value);
  }
  return settings;
}

void check_bench(const std::string& subject) {
  if (subject != "data") throw usage("command line: bench {}: expected data", subject);
}

CheckpointAction checkpoint_action(const std::string& word) {
  const std::map<std::string, CheckpointAction> actions = {{"list", CheckpointAction::list},
                                                           {"verify", CheckpointAction::verify},
                                                           {"hash", CheckpointAction::hash},
                                                           {"compare", CheckpointAction::compare}};
  const auto action = actions.find(word);
  if (action != actions.end()) return action->second;
  throw usage("command line: checkpoint {}: expected list, verify, hash or compare", word);
}

SweepAction sweep_action(const std::string& word) {
  const std::map<std::string, SweepAction> actions = {{"plan", SweepAction::plan},
                                                      {"run", SweepAction::run},
                                                      {"submit", SweepAction::submit},
                                                      {"status", SweepAction::status},
                                                      {"folder", SweepAction::folder}};
  const auto action = actions.find(word);
  if (action != actions.end()) return action->second;
  throw usage("command line: sweep {}: expected plan, run, submit, status or folder", word);
}

void take_arguments(CommandLine& line, std::vector<std::string> arguments) {
  const CommandInfo& info = info_of(line.command);
  const auto form = [&] { return fmt::format("vitrail {} {}", info.name, info.usage); };
  if (arguments.size() > info.most_arguments) {
    throw usage("command line: {}: a word without a key that nothing takes; usage: {}",
                arguments[info.most_arguments], form());
  }
  if (arguments.size() < info.least_arguments) throw usage("command line: too few words; usage: {}", form());
  if (line.command == Command::bench) check_bench(arguments.front());
  if (line.command == Command::sweep) {
    line.sweep_action = sweep_action(arguments.front());
    arguments.erase(arguments.begin());
  }
  if (line.command == Command::checkpoint) {
    const std::string word = arguments.front();
    line.action = checkpoint_action(word);
    arguments.erase(arguments.begin());
    const bool compares = line.action == CheckpointAction::compare;
    const std::size_t most = compares ? 2 : line.action == CheckpointAction::list ? 1 : arguments.size();
    if (arguments.empty() || arguments.size() > most || (compares && arguments.size() < most)) {
      throw usage("command line: checkpoint {}: expected {}, got {}", word,
                  compares ? "two paths" : "one path", arguments.size());
    }
  }
  line.paths = std::move(arguments);
}

void refuse_conflicts(const CommandLine& line) {
  const trainer::Config& config = line.config;
  if (line.command == Command::train || line.command == Command::launch || line.command == Command::plan)
    trainer::validate(config);
  if (line.command == Command::eval) trainer::validate_evaluation(config);
  if ((line.command == Command::eval || line.command == Command::predict) && line.flags.checkpoint.empty() &&
      config.model.weights.empty()) {
    throw usage(
        "command line: `vitrail {}` needs the weights to {}: --checkpoint DIR or --model.weights FILE",
        info_of(line.command).name, line.command == Command::eval ? "evaluate" : "ask");
  }
  if (line.command == Command::import_weights && config.model.weights.empty())
    throw usage("command line: `vitrail import` needs --model.weights FILE: what to read");
  if (line.command != Command::launch) return;
  const std::int64_t ranks = line.launch.ranks.value_or(1);
  if (ranks > 1 && config.sharding.communicator == sharding::CommunicatorKind::local) {
    throw Error(ExitCode::refused, fmt::format("sharding.communicator = local cannot join {} ranks", ranks),
                "leave sharding.communicator out");
  }
  if (ranks > config.run.lanes) {
    throw Error(ExitCode::refused,
                fmt::format("--ranks {} with run.lanes = {}: a rank without a lane would have nothing to do; "
                            "start at most {} ranks, or choose more lanes for a new run",
                            ranks, config.run.lanes, config.run.lanes));
  }
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& words, const SettingsMap& base) {
  CommandLine line;
  if (words.empty()) line.answer = Answer{help_text(), ExitCode::usage};
  if (!words.empty() && (words[0] == "--help" || words[0] == "-h")) line.answer = Answer{help_text()};
  if (!words.empty() && words[0] == "--version") line.answer = Answer{version_text()};
  if (line.answer) return line;

  line.command = command_named(words.front());
  const std::vector<Option> options = make_options();
  const Words given = split_flags({words.begin() + 1, words.end()}, options);
  const auto asks_for_help = [](const Setting& flag) { return flag.key == "help"; };
  if (std::any_of(given.flags.begin(), given.flags.end(), asks_for_help)) {
    line.answer = Answer{help_text(line.command, options)};
    return line;
  }
  Settings settings(line, options);
  settings.apply_base(base);
  for (const Setting& flag : given.flags) {
    if (flag.key != "config") continue;
    settings.apply_flag(flag);
    if (line.command != Command::sweep) settings.apply_file(flag.value);
  }
  for (const Setting& flag : given.flags) {
    if (flag.key != "config") settings.apply_flag(flag);
  }
  settings.take_image_size_of_name(base);
  take_arguments(line, given.arguments);
  settings.refuse_unused();
  settings.refuse_two_weights();
  settings.refuse_two_prints();
  if (line.flags.print_config) {
    line.answer = Answer{print_config(line)};
    return line;
  }
  settings.require();
  refuse_conflicts(line);
  return line;
}

std::string checkpoint_to_build_on(const std::vector<std::string>& words) {
  const auto is = [&](Command command) { return !words.empty() && words.front() == info_of(command).name; };
  if (!is(Command::eval) && !is(Command::predict)) return "";
  const Words given = split_flags({words.begin() + 1, words.end()}, make_options());
  std::string path;
  for (const Setting& flag : given.flags) {
    if (flag.key == "checkpoint") path = flag.value;
  }
  return path;
}

SettingsMap resolved_settings(const CommandLine& line) {
  const auto settings = used_settings(line);
  return {settings.begin(), settings.end()};
}

std::string print_config(const CommandLine& line) { return trainer::ini_text(used_settings(line)); }

}  // namespace vitrail::launcher
