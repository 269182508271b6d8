// The files of a source, known before one is read: 14 million of them in about 0.9 GB, plan included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/pack_rules.hpp"

namespace vitrail::datasets {

struct SourceItem {
  std::string key;  // unique in the source; for folders and archives of classes CLASS/PATH
  std::uint32_t label = 0;
  std::uint64_t bytes = 0;
  std::uint64_t place = 0;  // where the bytes are: the source's own business
  Flaw flaw = Flaw::none;
};

class Listing {
 public:
  void add(const SourceItem& item);
  void append(const Listing& other, std::uint32_t label);  // all of them get this label
  void reserve(std::size_t items, std::size_t key_bytes);

  std::size_t size() const { return label_.size(); }
  std::string_view key(std::size_t i) const;
  SourceItem item(std::size_t i) const;
  std::uint64_t bytes(std::size_t i) const { return bytes_[i]; }
  std::size_t key_bytes() const { return keys_.size(); }

  std::uint64_t total_bytes() const;
  std::uint64_t longest_key() const;  // at least 1
  std::string hash() const;           // of keys, labels and sizes

 private:
  std::string keys_;  // end to end
  std::vector<std::uint64_t> key_end_, bytes_, place_;
  std::vector<std::uint32_t> label_;
  std::vector<Flaw> flaw_;
};

}  // namespace vitrail::datasets
