// Which part of a data set a name speaks of: "train", "val" or "test". Used for what a pack is called unless
// --split says so. Throws: Error(refused) where source and output speak of different parts.
#pragma once

#include <string>

namespace vitrail::datasets {

std::string split_named(const std::string& name);    // of "Training", "valid": exactly that word; else empty
std::string split_in_name(const std::string& name);  // of "mine-val", "val_images.tar.gz": its last such word

// As --split has it: "validation" is val. Throws: Error(usage) for any other word.
std::string split_called(const std::string& word);

// From the last parts of the source's paths, links resolved where they say nothing, else of the output's;
// "train" where none says.
std::string split_of(const std::string& source, const std::string& output);

}  // namespace vitrail::datasets
