# SPDX-License-Identifier: MIT
"""Emits the Venus codec and the host Vulkan tables from the Vulkan registry.

parse.py reads vk.xml into plain data, model.py decides what is supported and how each item travels
on the wire, emit_*.py print C. Nothing that comes out is committed.
"""
