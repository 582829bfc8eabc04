import express from 'express';
export const wellKnownRoutes = (_: unknown) => express.Router();
