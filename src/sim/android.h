// What a simulated phone holds: properties, files, packages.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace drover::sim {

class Phone;

inline constexpr std::string_view kModel = "Drover Sim";
inline constexpr std::string_view kProduct = "drover_sim";
inline constexpr std::string_view kDevice = "sim";

// Empty if there is no such property, as getprop has it.
std::string property(const Phone& phone, std::string_view key);

// Every property, in the order of the keys.
std::vector<std::pair<std::string, std::string>> properties(const Phone& phone);

// Nothing if there is no such file.
std::optional<std::string> read_file(const Phone& phone, std::string_view path);

// The names in a directory, in order; nothing if there is no such directory.
std::optional<std::vector<std::string_view>> list_directory(std::string_view path);

struct Package {
  std::string_view name;
  std::string_view path;
  bool third_party;
};
std::span<const Package> packages();

}  // namespace drover::sim
