// An HDF5 file that exists in memory only: the library lays it out, we fill the data areas and write the
// bytes ourselves, hashed, checked and synced. HDF5 never touches the disk, which it may not survive when it
// is full. Throws: Error(crash) with HDF5's own words; std::bad_alloc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <hdf5.h>

#include "trainer/base/data_type.hpp"

namespace vitrail::trainer {

class Hdf5Image {
 public:
  Hdf5Image();
  ~Hdf5Image();
  Hdf5Image(const Hdf5Image&) = delete;
  Hdf5Image& operator=(const Hdf5Image&) = delete;

  void add_group(const std::string& path);
  // A contiguous dataset whose bytes the caller fills through bytes(); returns a handle for address().
  std::size_t add_data(const std::string& path, DataType type, const std::vector<std::uint64_t>& shape);
  // Small tables, written at once.
  void add_table(const std::string& path, const std::vector<std::uint64_t>& values, std::uint64_t columns);
  void add_names(const std::string& path, const std::vector<std::string>& names);

  void lay_out();                                 // after the last add_: fixes addresses and size
  std::span<std::byte> bytes();                   // the whole file
  std::uint64_t address(std::size_t data) const;  // first byte of add_data's dataset in bytes()

 private:
  hid_t make_dataset(const std::string& path, hid_t type, const std::vector<std::uint64_t>& shape);

  hid_t file_ = H5I_INVALID_HID;
  std::vector<hid_t> data_;  // open datasets
};

}  // namespace vitrail::trainer
