// A field of a struct that text can set: its key, what help and errors say of it, and the way from text to
// value and back. Settings are fields of a Config (setting.hpp), flags are fields of what a command takes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "trainer/settings/bounds.hpp"
#include "trainer/settings/setting_value.hpp"

namespace vitrail::trainer {

// When a field does anything at all: it depends on another one.
template <class Target>
struct Condition {
  std::string key;   // the other one; empty where the text says it all
  std::string text;  // "schedule.name = cosine"
  std::function<bool(const Target&)> holds;
};

// A rule of a single value that bounds can't say.
template <class T>
struct Rule {
  std::string words;  // "a power of two"
  std::function<bool(const T&)> holds;
  std::function<std::string(const T&)> complaint = {};  // what is wrong with a value, where that can be told
};

template <class Target>
struct About {
  std::string help;
  Bounds bounds = {};
  std::string unit = {};
  std::string placeholder = {};  // the type's own where empty
  std::string absent = {};       // what an empty value means
  std::vector<Condition<Target>> when = {};
  bool required = false;   // by everybody who uses it
  char letter = '\0';      // -n
  std::string alone = {};  // the value of a flag that may stand without one
};

template <class Target>
struct Field {
  std::string key;  // "run.lanes"
  About<Target> about;
  std::string form = {};     // "a whole number"; "cosine or constant"
  std::string choices = {};  // the form again where it is a list of words, which help shows
  std::string rule = {};

  // False: not of the form, out of bounds or against the rule; the target is as before.
  std::function<bool(Target&, const std::string&)> set = {};
  std::function<std::optional<std::string>(const Target&)> get = {};
  std::function<std::string(const std::string&)> complaint =
      {};  // of a text that set() refuses; may be empty

  // "1 to 65536 lanes, a power of two"; may be empty.
  std::string limits() const {
    std::string text = about.bounds.text();
    if (!about.unit.empty()) text += (text.empty() ? "" : " ") + about.unit;
    if (!rule.empty()) text += (text.empty() ? "" : ", ") + rule;
    return text;
  }

  // Form and limits.
  std::string expected() const {
    const std::string limit = limits();
    return form + (form.empty() || limit.empty() ? "" : ", ") + limit;
  }

  // "what is wrong: expected form and limits".
  std::string refusal(const std::string& text) const {
    const std::string reason = complaint ? complaint(text) : "";
    return reason + (reason.empty() ? "" : ": ") + "expected " + expected();
  }

  // The first condition that fails, or null.
  const Condition<Target>* unmet(const Target& target) const {
    for (const Condition<Target>& condition : about.when) {
      if (!condition.holds(target)) return &condition;
    }
    return nullptr;
  }
};

// What a Reach leads to: (Target&) -> Owner&, const alike.
template <class Target, class Reach>
using OwnerOf = std::remove_reference_t<std::invoke_result_t<Reach, Target&>>;

// The field `member` of the struct that `reach` leads to.
template <class Target, class Reach, class T>
Field<Target> field_of(const std::string& key, Reach reach, T OwnerOf<Target, Reach>::*member,
                       About<Target> about, Rule<T> rule) {
  Field<Target> field{.key = key, .about = std::move(about)};
  const Form form = form_of(T{});
  const bool is_words = std::is_same_v<T, std::string> || std::is_same_v<T, Duration>;
  if (!is_words || rule.words.empty()) field.form = form.words;  // else the rule says more
  if (field.about.placeholder.empty()) field.about.placeholder = form.placeholder;
  field.rule = rule.words;
  field.set = [reach, member, bounds = field.about.bounds, rule](Target& target, const std::string& text) {
    T value = reach(target).*member;
    if (!read(text, value)) return false;
    const std::optional<double> size = magnitude(value);
    if ((size && !bounds.contain(*size)) || (rule.holds && !rule.holds(value))) return false;
    reach(target).*member = std::move(value);
    return true;
  };
  field.get = [reach, member](const Target& target) { return show(reach(target).*member); };
  if (rule.complaint) {
    field.complaint = [rule](const std::string& text) {
      T value{};
      return read(text, value) ? rule.complaint(value) : std::string();
    };
  }
  return field;
}

// The same for a field that takes one of some words.
template <class Target, class Reach, class E>
Field<Target> choice_of(const std::string& key, Reach reach, E OwnerOf<Target, Reach>::*member,
                        std::vector<std::pair<E, std::string>> names, About<Target> about) {
  Field<Target> field{.key = key, .about = std::move(about)};
  for (std::size_t i = 0; i < names.size(); ++i) {
    field.form += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i].second;
  }
  field.choices = field.form;
  if (field.about.placeholder.empty()) field.about.placeholder = "NAME";
  field.set = [reach, member, names](Target& target, const std::string& text) {
    for (const auto& [value, word] : names) {
      if (word != text) continue;
      reach(target).*member = value;
      return true;
    }
    return false;
  };
  field.get = [reach, member, names](const Target& target) {
    for (const auto& [value, word] : names) {
      if (value == reach(target).*member) return std::optional(word);
    }
    return std::optional<std::string>();
  };
  return field;
}

}  // namespace vitrail::trainer
