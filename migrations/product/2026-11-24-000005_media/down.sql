DROP TABLE media_references, media;
