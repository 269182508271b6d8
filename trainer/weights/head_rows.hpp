// Which rows of a trained head belong to the classes of another training set (finetune.head = by_name).
// Classes are told apart by wnid, or by name where there is none. Throws: Error(refused) naming classes that
// the head does not know, or knows twice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vitrail::trainer {

// By class of `wanted`: its place in `known`, the classes that the head was trained for; `where` is the
// head's.
std::vector<std::int64_t> head_rows(const std::vector<std::string>& known,
                                    const std::vector<std::string>& wanted, const std::string& where);

}  // namespace vitrail::trainer
