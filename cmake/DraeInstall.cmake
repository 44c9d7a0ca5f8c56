# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where: one library, the public headers, a pkg-config file, a CMake
# package (find_package(drae) gives drae::drae and drae::drae_static), the command and its pages.
include(CMakePackageConfigHelpers)

install(TARGETS drae_shared drae_static EXPORT draeTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/drae DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT draeTargets NAMESPACE drae:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/drae)

configure_package_config_file(cmake/draeConfig.cmake.in draeConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/drae)
write_basic_package_version_file(draeConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/draeConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/draeConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/drae)

# Relative, so that `cmake --install --prefix` and moved trees work.
file(RELATIVE_PATH DRAE_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" DRAE_PC_TO_PREFIX "${DRAE_PC_TO_PREFIX}")
# The archive needs the CUDA runtime; where it lies elsewhere: --define-variable=cudalibdir=DIR.
if(DRAE_CUDA)
  set(DRAE_PC_CUDA_DIR "cudalibdir=${CUDAToolkit_LIBRARY_DIR}")
  set(DRAE_PC_CUDA_LIBS " -L\${cudalibdir} -lcudart_static -lpthread -ldl -lrt")
endif()
configure_file(cmake/drae.pc.in drae.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/drae.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE THIRD_PARTY.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
