# SPDX-License-Identifier: Apache-2.0
"""libdrae through ctypes: the same calls that a line integrator makes from C."""
from __future__ import annotations

import ctypes as c
from typing import Tuple

import numpy as np

THREADS, BATCH = 1, 2                     # drae_option
RECON, SCORES = 4, 5                      # drae_output
KERNELS = 3                               # drae_engine_text
ERROR_BYTES, N_SCORES = 512, 2


class Engine:
    def __init__(self, library: str, path: str, threads: int, batch: int) -> None:
        self.lib = lib = c.CDLL(library)
        config, self.engine, self.session = c.c_void_p(), c.c_void_p(), c.c_void_p()
        error = c.create_string_buffer(ERROR_BYTES)
        self._check(lib.drae_config_create(c.byref(config)), b"no memory")
        for option, value in ((THREADS, threads), (BATCH, batch)):
            self._check(lib.drae_config_set_int(config, option, c.c_int64(value)), b"bad option")
        self._check(lib.drae_engine_open(path.encode(), config, error, c.c_size_t(ERROR_BYTES),
                                         c.byref(self.engine)), error.value)
        self._check(lib.drae_session_create(self.engine, config, error, c.c_size_t(ERROR_BYTES),
                                            c.byref(self.session)), error.value)
        lib.drae_config_destroy(config)
        self.scores = np.empty((batch, N_SCORES), np.float32)
        self._bind(SCORES, self.scores)

    @staticmethod
    def _check(status: int, text: bytes) -> None:
        if status != 0:
            raise RuntimeError(f"libdrae: {text.decode()}")

    def _bind(self, output: int, array: np.ndarray | None) -> None:
        pointer = None if array is None else array.ctypes.data_as(c.c_void_p)
        n_bytes = 0 if array is None else array.nbytes
        self._check(self.lib.drae_session_set_output(self.session, output, pointer,
                                                     c.c_size_t(n_bytes)), b"output refused")

    @property
    def kernels(self) -> str:
        text = c.c_char_p()
        self._check(self.lib.drae_engine_get_text(self.engine, KERNELS, c.byref(text)), b"text")
        return text.value.decode()

    def phi(self, patches: np.ndarray) -> np.ndarray:
        """Scores of uint8 [n,S,S]; n at most the batch."""
        self._check(self.lib.drae_session_infer(
            self.session, c.c_size_t(len(patches)), patches.ctypes.data_as(c.c_void_p), None, None,
            None), b"inference failed")
        return self.scores[:len(patches), 0].copy()

    def recon(self, patches: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """(X^, phi)"""
        image = np.empty(patches.shape, np.float32)
        self._bind(RECON, image)
        phi = self.phi(patches)
        self._bind(RECON, None)
        return image, phi
