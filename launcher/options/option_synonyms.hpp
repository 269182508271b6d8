// What other programs call our settings and commands: the words of DeiT, timm, PyTorch, Lightning and
// Hugging Face, so that a hint names the key that was meant.
#pragma once

#include <string>
#include <vector>

namespace vitrail::launcher {

// "; nearest known key: optimizer.lr" for a key that is unknown, with a remark where ours is not quite
// theirs; only the remark where we have no such thing. Empty where nothing comes near. `known`: the keys that
// may be named.
std::string key_hint(const std::string& written, const std::vector<std::string>& known);

// The same by the table of words alone, where nothing that is merely spelt alike is meant.
std::string synonym_hint(const std::string& written, const std::vector<std::string>& known);

std::vector<std::string> keys_with_synonyms();

// The command that was meant; empty where none comes near.
std::string meant_command(const std::string& written, const std::vector<std::string>& known);

}  // namespace vitrail::launcher
